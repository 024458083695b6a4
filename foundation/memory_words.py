"""Tells from a line of text, a library's or a script's, that memory ran out. The only list of such words.

Knows English sentences well enough to tell a report from advice, a possibility or a setting. Does not know
where the line is from.
"""

from __future__ import annotations

import re
from itertools import islice

from foundation.sentences import ADVICE, FLAG, HYPOTHESIS, has_any

# What libraries say when an allocation fails. Case does not matter.
_ERROR_WORDS = r"""
    \b(?:cuda|hip|xpu|mps(?:\ backend)?|gpu|npu|device|host|cpu)\ out\ of\ memory\b
  | \b(?:\w+\ ){0,2}(?:error|failed|failure|fatal)\b[^.]{0,60}?:\ out\ of\ memory\b  # CUDA (driver), Triton
  | \bcuda\ failure(?:\ \d+)?\ '?out\ of\ memory\b                       # NCCL
  | \btried\ to\ allocate\ [\d.]+\ ?[KMGT]?i?B\b                         # torch
  | \bunable\ to\ allocate\ [\d.]+\ [KMGT]iB\b                           # numpy
  | \bdefaultcpuallocator:\ (?:not\ enough\ memory|can't\ allocate\ memory)
  | \b(?:can't|cannot)\ allocate\ memory\b                               # ENOMEM
  | \bresource[_ ]exhausted:.{0,200}?\b(?:memory|oom|allocat\w*)\b       # JAX, TensorFlow
  | \boom\ when\ allocating\b
  | \b(?:cuda|hip)ErrorMemoryAllocation\b | \bhipErrorOutOfMemory\b
  | \b\w*ERROR_OUT_OF_(?:DEVICE_|HOST_)?(?:MEMORY|RESOURCES)\b           # CUDA driver, SYCL
  | \b(?:cu|hip|roc|mi)\w*_ALLOC(?:ATION)?_FAILED\b                      # cuBLAS, cuDNN, hipBLAS
  | \bstd::bad_alloc\b
  | \bran\ out\ of\ (?:\w+\ )?memory\b
  | \b(?:memory|vram)\ exhausted\b
  | \bnode\ running\ low\ on\ memory\b                                # Ray's memory monitor
  | \binvalid\ buffer\ size:\ [\d.]+\ [KMGT]i?B\b                      # MPS
  | \b(?:not\ enough|insufficient)\ (?:(?:gpu|cuda|device|free|video)\ )*(?:memory|vram)\b
  | \b(?:does|did|could)(?:\ not|n't)\ fit\b.{0,40}?\b(?:memory|gpu|vram)\b
  | \b(?:OutOfMemoryError|MemoryError|OutOfMemory)\b(?=.{0,60}\b(?:skipp|continu|retry|ignor))
  | (?<![\w.])(?:\w+\.){0,6}(?:OutOfMemoryError|_?(?:Array)?MemoryError|ResourceExhaustedError)\b(?=:|$)
  | \bdetected\ \d+\ oom[_-]kill | \boom_kill\ event | \bOOM[ -]?Killed\b | \bout\ of\ memory:\ killed
  | \bbatch\ size\ \d+\ failed,\ trying\ batch\ size\b                   # Lightning's search for one
  | \bno\ executable\ batch\ size\ found\b                               # Accelerate's
"""
_MENTION = r"(?<![-\w./])(?:OOMs?|out[ -]of[ -]memory)\b(?!-(?!kill)|\.\w|[_/])"
_MEMORY = re.compile(rf"(?xi)(?P<error>{_ERROR_WORDS})|(?P<mention>{_MENTION.replace(' ', chr(92) + ' ')})")
_WINDOW = 300
"""Characters before and after a match that are looked at: lines may be 64 KiB long."""
_MAX_MATCHES = 50
_MAY_SPEAK_OF_MEMORY = (
    "oom", "out of", "out-of", "out_of", "outof", "memoryerror", "errormemory", "allocat", "alloc_failed",
    "bad_alloc", "exhausted", "enough", "insufficient", "fit", "batch size", "low on memory", "buffer size",
)  # fmt: skip
_NO_FAILURES = ("is not a failure", "ignoring this choice")
"""Words of TensorFlow, and of torch's search for the fastest kernel, that report no failure."""


_DENIAL = re.compile(
    r"(?i)\b(?:no|not|never|without|zero|0|any|near|close to|prone to|approaching)\s+(?:\w+\s+)?$"
)
_TOPIC = re.compile(
    r"(?i)\b(?:on|upon|for|from|about|of|before|until)\s+(?:an? |any |each |every |cuda |gpu )*$"
)
_GENERAL = re.compile(
    r"""(?xi)\s*(?:(?:errors?|exceptions?|events?|issues?|problems?)?\s*
      (?:\?|->|=>|→|(?:can|may|might|could|would|should|is|are)\b)
      |(?:polic|handl|behaviou?r|strateg|mode|action|protect|guard|retr(?:y|ies)|recover(?:y|able)|detection
      |callback|check|hook|score|killer\b|risk|likely|possible|threshold|margin|safe|test|limit|count|rate)\w*)"""
)
_SETTING = re.compile(
    r"""(?xi)["']?\s*(?:=\s*\S+|:\s*["']?(?:0|false|true|no|none|null|off|on)\b
    |:\s*["']?(?!\w+(?:ing|ed)\b)[\w.+-]+["']?\s*(?:[,;|}\])]|$))"""
)

# Words of what came of it.
_EVENT = re.compile(
    r"""(?xi)(?:'?e?d)?\s*(?:errors?|exceptions?|events?|event\(s\))?\s*(?:in|at|on|during|while|processing
    |moving|again|detected|occurred|encountered|happened|caught|hit|raised)\b"""
)
_DUE_TO = re.compile(r"(?i)\b(?:due to|because of|caused by|after)\s+(?:an? |cuda |gpu )*$")
_COUNT = re.compile(
    r"""(?xi)(?<![\w-])(?:num_|total[ _])?ooms?(?:[ _]?(?:count|events?|errors?))?["']?\s*[:=]\s*
    [1-9]\d*\s*(?=$|[,;)}\]])"""
)
_PLACE = re.compile(r"(?i)\b(?:batch|chunk|step|iteration|sample)\s*\#?\d+\W{1,4}$")
_POLICY = re.compile(r"(?i)^\W*(?:on|upon)\s+(?:cuda\s+|gpu\s+)?$")
_WITH_SIZES = re.compile(r"(?i)\s*(?:with|for|@)\s.{0,40}?\d")
_DEALT_WITH = re.compile(
    r"""(?xi)\b(?:skipp(?:ing|ed)|caught|ignor(?:ing|ed)|continuing|proceeding|retr(?:ying|ied)|recover(?:ing|ed)
    |attempting|f(?:alling|ell)\ back|(?:reduc|halv|decreas|lower|shrink|splitt|dropp|discard|remov)(?:ing|ed)
    |trying\ again)\b"""
)
_DEALT_WITH_AFTER = re.compile(r"(?i)\b(?:skip|continue|retry|ignore|try again)\b")
_TOLD_AT_START = re.compile(r"(?i)(?:'?e?d)?\s*(?:errors?|exceptions?)?\s*(?:[.!,;:)\](\u2013\u2014-]|$)")

# What may stand before a statement: ranks, times, levels, places, the type of an exception.
_PREFIX = re.compile(
    r"""(?xi)\s*(?:\[[^\]]{0,80}\] | \([^)]{0,80}\) | \d[\d:.,/TZ+-]* | [IWEF]\d{4}\b
    | (?:trace|debug|info|warn(?:ing)?|error|err|critical|fatal|exception|cuda|cudnn|cublas|nccl)\b
    | [\w./-]+:\d+\b:? | [\w.]*(?:error|exception|warning)\b(?!s) | [^\w\s([]+)\s*"""
)
_RAISED = re.compile(r"(?:Error|Exception): ")
_SENTENCE_END = re.compile(r"[.!?;]\s|\|")


def says_out_of_memory(line: str) -> bool:
    """Whether a line of an error's text says that memory ran out.

    It does if it has a library's words for that, or speaks of "OOM" or "out of memory" and of what
    came of it (skipping, retrying, caught, "due to OOM"), and nothing in the sentence makes it
    advice, a possibility or a denial ("hint:", "if", "to avoid", "on", "no"). Names and settings
    (``skip_oom=False``, ``--skip-oom``, "oom: 0", "OOM policy") say nothing.
    """
    return bool(_statements(line))


def proves_out_of_memory(line: str) -> bool:
    """Whether a line is proof by itself, whatever follows, that memory ran out.

    As ``says_out_of_memory``, but a library's words must begin the line (after ranks, times, levels
    and the exception's type) or come with what came of it: elsewhere they may be a quotation.
    """
    return any(_statements(line))


def _statements(line: str) -> list[bool]:
    """Yield, for each place where a line states that memory ran out, whether it is proof by itself."""
    lower = line.lower()
    if not has_any(lower, _MAY_SPEAK_OF_MEMORY) or has_any(lower, _NO_FAILURES):
        return []
    if "oom" in lower and _COUNT.search(line):
        return [True]
    line = FLAG.sub(" ", line)
    matches = islice(_MEMORY.finditer(line), _MAX_MATCHES)
    found = [_statement(line, match) for match in matches]
    return [is_proof for is_proof in found if is_proof is not None]


def _statement(line: str, match: re.Match[str]) -> bool | None:
    """Whether words about memory are proof; None if they state nothing."""
    begin, end = match.span()
    before, after = line[max(0, begin - _WINDOW) : begin], line[end : end + _WINDOW]
    is_error = match["error"] is not None
    if is_error and match[0].lower().startswith("tried to allocate"):
        return True  # a number of bytes: nobody advises with one
    is_dealt_with = bool(_DEALT_WITH.search(before + after) or _DEALT_WITH_AFTER.search(after))
    if not is_error and _PLACE.search(before) and not HYPOTHESIS.search(before):
        return True  # "batch 3: OOM"
    if _is_hypothetical(before, after, is_dealt_with) or (not is_error and _SETTING.match(after)):
        return None
    is_event = is_dealt_with or bool(_EVENT.match(after) or _DUE_TO.search(before))
    is_event = is_event or bool(not is_error and _WITH_SIZES.match(after))
    is_at_start = begin <= _WINDOW and _is_prefix(before)
    if is_error:
        return is_event or is_at_start or bool(_RAISED.search(before))
    return True if is_event or (is_at_start and _TOLD_AT_START.match(after)) else None


def _is_hypothetical(before: str, after: str, is_dealt_with: bool) -> bool:
    sentence = _SENTENCE_END.split(before)[-1]
    return bool(
        ADVICE.search(before)
        or HYPOTHESIS.search(sentence)
        or _DENIAL.search(sentence)
        or _POLICY.search(sentence)
        or (_TOPIC.search(sentence) and not (is_dealt_with or _DUE_TO.search(sentence)))
        or _GENERAL.match(after)
    )


def _is_prefix(text: str) -> bool:
    """Whether nothing stands there but what may stand before a statement."""
    at = 0
    while at < len(text):
        match = _PREFIX.match(text, at)
        if match is None or match.end() == at:
            return not text[at:].strip()
        at = match.end()
    return True
