"""Words of an answer as concepts: stems, a small table of synonyms of the field, formulas, numbers, and negation.

No language model and no network: what cannot be seen in the words is not seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

_WORDS = """a
    about above after all also am an and any are as at be been before being below both but by can could did do does
    down during each either etc even every few first for from further get gets give given gives go going had has have
    having here how however i if in into is it its itself just like look looks may me might more most much must my need
    needs now of off on once one only onto or other our ours out over own per put really same say says see should show
    shows since so some such take taken takes than that the their them then there therefore these they this those
    through to too under until up upon us use used uses using usually very via want was way we well were what when where
    which while who whom why will with within would yet you your thing things long makes make made let lets many whose
    another s t m re ve d ll time times"""
_STOP = frozenset(_WORDS.split())
_NOT = "not no never none non without nothing neither nor cannot isn't don't doesn't won't can't"
_NEGATIONS = frozenset(_NOT.split())
_PHRASES = {  # before words are split; what the field writes in several ways
    r"data ?sheets?|spec(?:ification)? sheets?|specifications?": "datasheet",
    r"marketing numbers?|vendor'?s? (?:numbers|figures)": "datasheet",
    r"single[- ]process|one process|process alone": "singleprocess",
    r"(?:process|spawns?|processes?) (?:for|per|on) (?:each|every|a|one)? ?(?:gpu|device)": "processpergpu",
    r"process(?:es)? per (?:gpu|device)": "processpergpu",
    r"as many processes as there are gpus": "processpergpu",
    r"world[ _]size": "worldsize",
    r"bit[- ](?:for|by)[- ]bit|bit[- ]identical|bitwise": "bitwise",
    r"on purpose|deliberately|intentionally|inject(?:s|ed)? a bug": "deliberate",
    r"hot ?spot": "bottleneck",
    r"go(?:es|ing)? down|decreas(?:e|es|ing)": "falling",
    r"square[- ]root|sqrt": "squareroot",
    r"warm[- ]?up": "warmup",
    r"all[- ]reduc(?:e|es|ed|ing)": "allreduce",
    r"reduce[- ]scatter": "reducescatter",
    r"all[- ]gather": "allgather",
    r"micro[- ]?batch(?:es)?": "microbatch",
    r"learning rate|\blr\b": "learningrate",
    r"mixtures? of experts|\bmoes?\b": "moe",
    r"py[- ]?spy": "pyspy",
    r"flight[- ]recorder": "flightrecorder",
    r"no_sync": "nosync",
    r"set_epoch": "setepoch",
    r"nvidia[- ]smi": "nvidiasmi",
    r"memory[- ]bound|compute[- ]bound|bound by|limited by|roofline": "bound",
    r"in a row|one after (?:the )?other|sequential(?:ly)?|in sequence": "sequence",
    r"rather than|instead of|other than": "not",
    r"flop/s|flops/s|tflops?/s|arithmetic rate|compute rate|matmul throughput": "floprate",
    r"matrix (?:product|multiplication)s?|matmuls?|gemms?": "matmul",
    r"mem(?:ory)? bandwidth|memory copy|mem ?copy|memcpy": "membandwidth",
    r"if rank ?== ?0|only rank 0 calls": "ifrankzero",
    r"mean of (?:the )?means|averaging (?:the )?(?:micro-?batch |their )?means": "meanofmeans",
    r"means? of (?:the )?micro-?batches": "meanofmeans",
    r"twofold|twice|two times|2x|double[sd]?|doubling": "2",
    r"eight ?fold|8x|8-fold": "8",
}
_GROUPS = """average mean averaging averaged
launcher torchrun launch spawn
weight parameter param
gradient grad grads
failure crash crashed die dies dead break breaks fault failed fails
restart resume continue
identical equal equals
compare comparison against versus vs diff
measured benchmark measurement reach
link links interconnect nvlink nic network port
capacity size
repeat repeats repeated repetition
spread range scatter scattering variation
utilisation utilization mfu
overlap overlaps overlapping hide hidden hides
start begin begins initial
shard shards part portion partition
shuffle reshuffle reshuffled
server
bottleneck hotspot
tiny small short
tree trees hierarchical
count counting number counted
distinct unique
sample example examples
last final
clip clipping
missing absent behind lag lags
victim victims innocent
stack traceback stacks
hardware device gpu cable
power watt
raise raising increase increasing
evidence prove proves proof rely trust
quota limit limits cgroup limited
container containers docker
worker rank ranks replica
cancel cancels drop undo
proportional grow grows scale rise
steal steals occupy occupies take cost
latency delay
compromise balance tradeoff
ready available produced finish
suspect culprit
operation op operator
master central
calendar schedule
label target targets
mask masked
pad padded padding
sweep search scan
environment env
hook fire fires
optimizer optimiser adam
random rng seed
position
reserve book reserved booking
confirm verify check
error exception
waste wastes burn burns spend""".splitlines()
_NUMBER_WORDS = {"two": "2", "four": "4", "six": "6", "eight": "8", "sixteen": "16", "hundred": "100"}
_SUFFIXES = ("ations", "ation", "ments", "ment", "ings", "ing", "ions", "ion", "ness", "ally", "ies", "ied", "ers",
             "er", "ed", "es", "ly", "al", "s", "e")  # fmt: skip
_TOKEN = re.compile(r"\d[\d.,]*\d|\d+|[a-z][a-z0-9']*(?:_[a-z0-9]+)*")
_FORMULA = re.compile(r"[\w.]*\([\w+\-*/.]+\)[\w*/.+\-]*|\d[a-z](?:\*?[a-z])+\b")
_CJK = re.compile(r"[一-鿿]+")


@dataclass(frozen=True, slots=True)
class Concept:
    """One word as it counts. negated: it stands behind a "not", "no", "never" of its clause."""

    name: str
    negated: bool = False


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A crude stem: "averaged", "averaging" and "averages" are one."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


_SAME = {stem(word): stem(group.split()[0]) for group in _GROUPS for word in group.split()}


def clauses(text: str) -> list[list[Concept]]:
    """The concepts of each clause of a text; negation holds from its word to the end of the clause."""
    return [found for part in re.split(r"[.,;:!?()。，；：！？（）、\n]+", _prepared(text)) if (found := _clause(part))]  # noqa: RUF001


def windows(text: str, width: int = 2) -> list[list[list[Concept]]]:
    """Clauses of every sentence, and of every run of up to `width` sentences that follow each other."""
    prepared = [clauses(sentence) for sentence in re.split(r"(?<=[.!?;])\s+|[。！？；\n]+", text) if sentence.strip()]  # noqa: RUF001
    runs = []
    for size in range(1, width + 1):
        runs += [list(chain(*prepared[i : i + size])) for i in range(len(prepared) - size + 1)]
    return runs


def _prepared(text: str) -> str:
    text = text.casefold().replace("\N{MINUS SIGN}", "-").replace("`", " ").replace("’", "'")  # noqa: RUF001
    text = re.sub(r"\s*[·\u00d7]\s*", "*", text)
    for pattern, name in _COMPILED:
        text = pattern.sub(f" {name} ", text)
    # A formula becomes one word without operators, so that no later split breaks it.
    return _FORMULA.sub(lambda match: f" formula{_letters(match[0])} ", text)


def _letters(formula: str) -> str:
    return re.sub(
        r"[^0-9a-z]", "", formula.replace("/n*", "/n").replace("*k", "").replace("/nk", "/n").replace(")k", ")")
    )


_COMPILED = [(re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])"), name) for pattern, name in _PHRASES.items()]


def _clause(text: str) -> list[Concept]:
    words = _TOKEN.findall(text)
    everywhere = "nothing" in words  # "proves nothing" negates what stands before it
    negated, found = everywhere, []
    for word in words:
        if word in _NEGATIONS or word.endswith("n't"):
            negated = True
        elif word in ("but", "though", "although"):
            negated = everywhere
        elif word not in _STOP and (len(word) > 1 or word.isdecimal()):
            name = _NUMBER_WORDS.get(word, word.replace(",", "").rstrip("."))
            root = stem(name)
            found.append(Concept(_SAME.get(root, root), negated))
    for run in _CJK.findall(text):
        found += [Concept(run[i : i + 2]) for i in range(len(run) - 1)]
    return found
