"""The page: verdict, figures, provenance and the table of trials. Every text from a run is escaped."""

from __future__ import annotations

import csv
import io
import json
from html import escape

from tuner.report.files import RunResult, trials_csv
from tuner.report.html.drawing import plotly_dict
from tuner.report.html.figure import Figure
from tuner.report.past import PastRun
from tuner.report.text import result_table, work_table

CSS = """:root{color-scheme:light dark;--f:#1a1a1a;--b:#fff;--c:#f3f4f6}
@media(prefers-color-scheme:dark){:root{--f:#e8e8e8;--b:#16181c;--c:#22262c}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--f);background:var(--b);
max-width:1100px;margin:auto;padding:1rem}
#verdict{font-size:1.4rem;font-weight:600}.warn{background:#d55e00;color:#fff;padding:.5rem;font-weight:700}
pre,.scroll{background:var(--c);overflow:auto;padding:.5rem;font-size:.8rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere}pre.wide{white-space:pre}.plot{height:420px}
.scroll{max-height:70vh}td,th{padding:.1rem .5rem;white-space:nowrap;text-align:right}
th{position:sticky;top:0;background:var(--c)}th button{all:unset;cursor:pointer}
section{break-inside:avoid}@media print{.scroll{max-height:none;overflow:visible}}"""

SCRIPT = """const figures=JSON.parse(document.getElementById('figures').textContent);
const dark=matchMedia('(prefers-color-scheme: dark)');
function draw(){const s=getComputedStyle(document.body);
 const axis={gridcolor:'rgba(128,128,128,.25)',zerolinecolor:'rgba(128,128,128,.25)'};for(const f of figures){
 const layout={...f.layout,paper_bgcolor:'rgba(0,0,0,0)',plot_bgcolor:'rgba(0,0,0,0)',font:{color:s.color},
 xaxis:{...axis,...f.layout.xaxis},yaxis:{...axis,...f.layout.yaxis},
 margin:{l:60,r:10,t:10,b:50},legend:{orientation:'h',y:-0.2}};
 Plotly.react('plot-'+f.key,f.data,layout,{responsive:true,displaylogo:false,displayModeBar:false});}}
draw();dark.addEventListener('change',draw);
document.querySelectorAll('#trials th button').forEach((button,k)=>{let up=false;button.onclick=()=>{up=!up;
 const body=document.querySelector('#trials tbody');const rows=[...body.rows];
 const value=r=>r.cells[k].textContent;
 rows.sort((a,b)=>{const x=value(a),y=value(b);const n=x-y;
  return (up?1:-1)*(x!==''&&y!==''&&!isNaN(n)?n:x.localeCompare(y));});
 body.append(...rows);};});"""


def page(past: PastRun, shown: tuple[Figure, ...]) -> str:
    """The whole page as one text."""
    from plotly.offline import get_plotlyjs

    result = past.told
    is_simulated = "simulat" in past.study.name or result.provenance["device"]["kind"] == "simulated"
    banner = '<p class="warn">simulated: nothing below was measured</p>' if is_simulated else ""
    data = json.dumps([plotly_dict(one) for one in shown if one.series], allow_nan=False)
    origin = escape(json.dumps(dict(result.provenance), indent=2))
    head = f"<title>{escape(past.study.name)}: {escape(result.status)}</title><style>{CSS}</style>"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">{head}</head><body>',
        f'<h1>{escape(past.study.name)}</h1>{banner}<p id="verdict">{escape(result.sentence)}</p>',
        *_verdict_tables(result),
        *(_section(one) for one in shown),
        f"<h2>Environment and provenance</h2><pre>{origin}</pre>",
        f"<h2>All trials</h2>{_table(trials_csv(result))}",
        f'<script type="application/json" id="figures">{data.replace("<", chr(92) + "u003c")}</script>',
        f"<script>{get_plotlyjs()}</script><script>{SCRIPT}</script></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _verdict_tables(result: RunResult) -> list[str]:
    """What the verdict rests on, and why the search ended."""
    device = result.provenance["device"]
    tables = [result_table(result.conclusion), work_table(result.conclusion, result.study.stage.num_samples)]
    said = [f"Target {result.study.target.text}, measured on {device['name']} ({device['kind']})."]
    said += [f"The search ended because {result.finish_reason}."] if result.finish_reason else []
    said += [text for text in (result.prior_contradiction, result.pooling_contradiction) if text]
    return [
        *(f'<pre class="wide">{escape(table)}</pre>' for table in tables if table),
        *(f"<p>{escape(text)}</p>" for text in said),
    ]


def _section(figure: Figure) -> str:
    body = (
        f'<div class="plot" id="plot-{figure.key}"></div>' if figure.series else "<p>Nothing to show yet.</p>"
    )
    return f"<section><h2>{escape(figure.title)}</h2><p>{escape(figure.text)}</p>{body}</section>"


def _table(text: str) -> str:
    header, *rows = csv.reader(io.StringIO(text))
    head = "".join(f"<th><button>{escape(name)}</button></th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(v)}</td>" for v in row) + "</tr>" for row in rows)
    table = f'<table id="trials"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll">{table}</div>'
