"""How the page looks and what it does in a browser: its style sheet and its script."""

from __future__ import annotations

import json

from tuner.report.html.figure import COLORS

DARK = (
    "#4AA8E0",
    "#FF8A3D",
    "#2CC295",
    "#E59CC4",
    "#F2B63C",
    "#8CCBF2",
    "#A3A3A3",
    "#E0D04A",
    "#AB92E6",
    "#F2F2F2",
)
"""`COLORS` on a dark page."""


def _variables(colors: tuple[str, ...]) -> str:
    return "{" + ";".join(f"--c{k}:{color}" for k, color in enumerate(colors)) + "}"


COLOR_CSS = (
    f":root,.legend.map{_variables(COLORS)}"
    f"@media screen and (prefers-color-scheme:dark){{:root:not(.paper){_variables(DARK)}}}"
)
"""The colours of series as `--c0`, `--c1` ..., for legends. A map's stay, as its cells do."""

CSS = """:root{color-scheme:light dark;--text:#1c1e21;--soft:#5b616b;--page:#fff;--card:#f5f6f8;
--line:#dfe2e7;
--good:#00724f;--warn:#b34700;--link:#0063a0}
@media screen and (prefers-color-scheme:dark){:root:not(.paper){--text:#e6e7ea;--soft:#a3a9b3;
--page:#15171b;--card:#1e2127;--line:#343943;--good:#3ecf9b;--warn:#ff9a52;--link:#6cb8f0}
.legend.map svg{background:#ededed;border-radius:3px}}
*{box-sizing:border-box}
body{font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:var(--text);
background:var(--page);max-width:1120px;margin:0 auto;padding:1.5rem 1.25rem 4rem}
h1{font-size:1.1rem;margin:0;color:var(--soft);font-weight:600}h2{font-size:1.25rem;margin:0 0 .25rem}
h3{font-size:.8rem;font-weight:500;margin:0;text-align:center;color:var(--soft);
text-wrap:balance}
a{color:var(--link)}p{margin:.35rem 0;max-width:110ch}.soft,figcaption,.notes{color:var(--soft);
font-size:.9rem}
#verdict{font-size:1.3rem;line-height:1.4;font-weight:600;margin:.5rem 0 1rem;max-width:none}
.warn{background:#b34700;color:#fff;padding:.5rem .75rem;border-radius:6px;font-weight:700;max-width:none}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:0 0 1rem}
.cards div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.6rem .8rem}
.cards dt{color:var(--soft);font-size:.8rem}.cards dd{margin:0;font-size:1.35rem;font-weight:650;
line-height:1.25}
.cards small{display:block;font-size:.78rem;font-weight:400;color:var(--soft)}
nav{font-size:.9rem;display:flex;flex-wrap:wrap;gap:.2rem 1rem;border-block:1px solid var(--line);
padding:.5rem 0;margin:1rem 0}nav a{text-decoration:none}
section{margin-top:2.25rem}figure{margin:.75rem 0 0}
.panels{display:grid;gap:.5rem 1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,var(--least)),1fr))}
.panel{min-width:0}.plot{width:100%;overflow:hidden}
.legend{display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;font-size:.85rem;margin:.25rem 0 .35rem;padding:0;
list-style:none}.legend li{display:flex;align-items:center;gap:.4rem}.legend svg{flex:none}
.scale{display:inline-block;width:7rem;height:.7rem;border-radius:2px}
.notes{margin:.4rem 0 0;padding-left:1.1rem;max-width:110ch;overflow-wrap:anywhere}
.scroll{overflow:auto;width:fit-content;max-width:100%;border:1px solid var(--line);border-radius:8px;
font-size:.82rem;margin:.5rem 0}
.scroll.tall{max-height:70vh}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.22rem .6rem;white-space:nowrap;text-align:right}td:first-child,th:first-child{text-align:left}
.facts th,.facts td{text-align:left;vertical-align:top;white-space:normal;overflow-wrap:anywhere}
.facts th{white-space:nowrap;color:var(--soft);font-weight:400}
.words td,.words th{text-align:left;vertical-align:top;white-space:normal;min-width:7rem}
.badge{margin:-.4rem 0 1rem;max-width:none}strong.good{color:var(--good)}strong.bad{color:var(--warn)}
strong.open{color:var(--soft)}.badge strong{border:1px solid;border-radius:1rem;padding:.05rem .6rem;
text-transform:uppercase;font-size:.85rem;letter-spacing:.03em}
thead th{position:sticky;top:0;background:var(--card);border-bottom:1px solid var(--line)}
th button{all:unset;cursor:pointer}th button:focus-visible{outline:2px solid var(--link)}
tbody tr:nth-child(even){background:color-mix(in srgb,var(--card) 55%,transparent)}
tr.stopped td{color:var(--soft)}tr.infeasible td,tr.failed td{color:var(--warn)}
pre,code{font-size:.82rem}pre{background:var(--card);border-radius:8px;padding:.6rem .8rem;
white-space:pre-wrap;
overflow-wrap:anywhere}
@media screen and (max-width:600px){body{padding:1rem .75rem 3rem}#verdict{font-size:1.1rem}
.words thead{display:none}.words,.words tbody,.words tr,.words td{display:block}.words tr{padding:.4rem 0}
.words td:first-child{font-weight:600}.words td:nth-child(n+4){color:var(--soft)}}
.paper body{width:690px;padding:0}.paper .panels{gap:.5rem}
@page wide{size:landscape}
@media print{:root{color-scheme:light;print-color-adjust:exact;font-size:12px}
body{font-size:1rem}nav{display:none}section{margin-top:1rem}
.scroll,.scroll.tall{max-height:none;overflow:visible;border:0}td,th{padding:.2rem .4rem}
.scroll.tall{font-size:.56rem}.tall td,.tall th{padding:.05rem .2rem}
#all-trials{page:wide;margin-inline:-120px}
.tall th,.tall td:last-child{white-space:normal;overflow-wrap:anywhere}.tall td:last-child{min-width:11rem}
thead th{position:static}.tall thead{display:table-row-group}
.panel,.cards,figcaption,h2,tr,.legend,figure:has(.panel:only-child){break-inside:avoid}
h2,h3,figcaption,.legend{break-after:avoid}}"""
"""While it prints the root is `paper`: in the colours of the day and as wide as A4 or US letter."""

SCRIPT = (
    f"'use strict';const DARK={json.dumps(dict(zip(COLORS, DARK, strict=True)))};"
    + """
const plots=JSON.parse(document.getElementById('plots').textContent);
const night=matchMedia('(prefers-color-scheme: dark)'),paper=document.documentElement.classList;
function tint(v){if(typeof v!=='string'||!night.matches||paper.contains('paper'))return v;
 const dark=DARK[v.slice(0,7)];return dark?dark+v.slice(7):v;}
function tinted(t){const u={...t};
 if(t.fillcolor)u.fillcolor=tint(t.fillcolor);if(t.line)u.line={...t.line,color:tint(t.line.color)};
 if(t.marker){u.marker={...t.marker,color:tint(t.marker.color)};
  if(t.marker.line)u.marker.line={...t.marker.line,color:tint(t.marker.line.color)};}return u;}
function edged(t){return t.marker&&t.marker.symbol==='circle'&&t.marker.size>4?
 {...t,marker:{...t.marker,line:{color:'#fff',width:1}}}:t;}
function drawn(p){const style=getComputedStyle(document.body),root=getComputedStyle(document.documentElement);
 const line=root.getPropertyValue('--line'),axis={gridcolor:line,zerolinecolor:line,linecolor:line,
 tickfont:{size:11}};
 const layout={...p.layout,paper_bgcolor:'rgba(0,0,0,0)',plot_bgcolor:'rgba(0,0,0,0)',
  font:{family:style.fontFamily,size:12,color:root.getPropertyValue('--text')},
  xaxis:{...axis,...p.layout.xaxis},yaxis:{...axis,...p.layout.yaxis},margin:{l:46,r:10,t:8,b:40},
  showlegend:false,hovermode:'closest',hoverlabel:{align:'left',font:{size:12}}};
 if(layout.shapes)layout.shapes=layout.shapes.map(s=>({...s,line:{...s.line,color:tint(s.line.color)}}));
 const data=p.data.some(t=>t.type==='heatmap')?p.data.map(edged):p.data.map(tinted);
 // not react, which keeps the width that a figure had on the screen when it goes to paper
 return Plotly.newPlot(p.id,data,layout,{responsive:true,displaylogo:false,displayModeBar:false});}
const mark=document.documentElement.dataset,waiting=new Set(plots);
const idle=window.requestIdleCallback??(f=>setTimeout(f,20));
function near(p){const box=document.getElementById(p.id).getBoundingClientRect();
 return box.top<1.5*innerHeight&&box.bottom>-.5*innerHeight;}
async function draw(some){for(const p of some)if(waiting.delete(p))await drawn(p);
 if(!waiting.size)mark.drawnMs??=performance.now().toFixed(0);}
function rest(){idle(()=>draw([...waiting].slice(0,1)).then(()=>{if(waiting.size)rest();}));}
function approach(){draw([...waiting].filter(near));}
draw(plots.filter(near)).then(()=>{mark.openMs=performance.now().toFixed(0);rest();});
addEventListener('scroll',approach,{passive:true});addEventListener('resize',approach);
night.addEventListener('change',()=>plots.filter(p=>!waiting.has(p)).forEach(drawn));
const body=document.querySelector('#trials tbody'),box=body.closest('.scroll'),STEP=200;
const rows=[...document.getElementById('rows').content.querySelectorAll('tr')];let shown=0;
function more(most){body.append(...rows.slice(shown,most));shown=Math.min(rows.length,most);}
more(STEP);box.addEventListener('scroll',()=>{
 if(box.scrollTop+box.clientHeight>box.scrollHeight-400)more(shown+STEP);});
addEventListener('beforeprint',()=>{more(rows.length);paper.add('paper');waiting.clear();plots.forEach(drawn);});
addEventListener('afterprint',()=>{paper.remove('paper');plots.forEach(drawn);});
document.querySelectorAll('#trials th button').forEach((button,k)=>{let up=false;button.onclick=()=>{up=!up;
 const value=r=>r.cells[k].textContent;
 rows.sort((a,b)=>{const x=value(a),y=value(b);if(x===''||y==='')return (x==='')-(y==='');const n=x-y;
  return (up?1:-1)*(isNaN(n)?x.localeCompare(y):n);});
 document.querySelectorAll('#trials th').forEach(th=>th.removeAttribute('aria-sort'));
 button.parentElement.setAttribute('aria-sort',up?'ascending':'descending');
 body.replaceChildren();shown=0;more(STEP);box.scrollTop=0;};});"""
)
