"""Follows what refusals advise: a pytest plugin that `tests/conftest.py` registers.

Each refusal that reaches a test is kept with the call that led to it. When the test has ended, the call is made
again as the hint says (`tests.helpers.hint_forms`), once for each rule and form of hint in a process: the same refusal
must be gone. A hint that names what there is not, or that says something new in no form, fails the test, too.
"""

import importlib
import inspect
import re
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from golden.config import CoreConfig
from golden.errors import SynapressError
from studies.refusals import plain, watch
from synapress import model
from synapress.mapper import errors
from synapress.mapper.cim.shapes import LayerOptions
from synapress.mapper.quantization.quantized import Options
from tests.helpers.free_hints import FREE
from tests.helpers.hint_forms import FORMS, VERBS, Call, Form, Thunk, options

ROOT = Path(__file__).parents[2]
_FREE = re.compile("|".join(re.escape(text).replace("…", ".+") for text in FREE), re.IGNORECASE | re.DOTALL)
KEPT = 3
"""Refusals of one kind that are kept per test, as not all of them reach it."""
_CODES: dict[CodeType, Any] = {verb.__code__: verb for verb in VERBS}
Refused = errors.ModelError | errors.RuleError
Kind = tuple[str, str, str]
"""Rule, form with what it names, and what was called."""


def violations(error: Refused) -> tuple[errors.Violation, ...]:
    return error.violations if isinstance(error, errors.RuleError) else (error.violation,)


# -- what hints say ------------------------------------------------------------------------------


def own(hint: str) -> str:
    """A hint without the refusal of the host that it may cite, whose own hint is looked at when it is made."""
    return hint.partition(" Nor can the host compute it: ")[0]


def unknown(hint: str) -> list[str]:
    """What a hint says in no form, and names that there are not."""
    hint = own(hint)
    wrong = [f"there is no {name}" for name in _named(hint) if not _exists(name)]
    for item in FORMS:
        hint = item.pattern.sub("", hint)
    left = r"^(?:,? ?\b(?:or|and)\b )+|(?:,? ?\b(?:or|and)\b,?)+$|[.;,:]+$"  # around a form
    pieces = (re.sub(left, "", piece.strip(" ,.;")).strip(" ,") for piece in re.split(r"(?<=[.;])\s", hint))
    return wrong + [piece for piece in pieces if piece and not _FREE.fullmatch(piece)]


def _named(hint: str) -> list[str]:
    return re.findall(
        r"`\w+`|docs/\w+\.md|\b[Ss]ynapress(?:\.\w+)+|\bOptions\.\w+|\b\w+_bits\b|(?<!\S)--[a-z][\w-]*", hint)


@lru_cache
def _exists(name: str) -> bool:
    """Whether there is a document, a name of the package, an option of quantization, a field of a configuration or of
    the options of a layer in an array, or an option of the command line."""
    if name.startswith("docs/"):
        return (ROOT / name).is_file()
    if name.startswith("`"):
        return name.strip("`") in inspect.signature(model.load).parameters
    if name.startswith("--"):
        return name in options()
    if name.startswith("synapress."):
        module, _, attribute = name.rpartition(".")
        try:
            return hasattr(importlib.import_module(module), attribute)
        except ImportError:
            return False
    if name.startswith("Options."):
        return hasattr(Options, name.removeprefix("Options."))
    return hasattr(CoreConfig, name) or hasattr(LayerOptions, name)


def forms(error: Refused) -> Iterator[tuple[str, Form, list[re.Match[str]]]]:
    """Rules of a refusal, with the forms of their hints and where they are found."""
    for rule in dict.fromkeys(item.rule for item in violations(error)):
        for item in FORMS:
            found = [match for violation in violations(error) if violation.rule == rule
                     for match in item.pattern.finditer(own(violation.help))]
            if found:
                yield rule, item, found


# -- following -----------------------------------------------------------------------------------


def _refusal(run: Thunk) -> Refused | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run()
        except (errors.ModelError, errors.RuleError) as error:
            return error
    return None


def _reasons(error: Refused | None, rule: str) -> Counter[str]:
    """The refusal's reasons by one rule: of hardware the layers, of models what is needed."""
    return Counter() if error is None else Counter(
        plain(item.needed) if isinstance(error, errors.ModelError) else item.layer
        for item in violations(error) if item.rule == rule)


def _works(run: Thunk, error: Refused, rule: str, item: Form) -> str:
    """Why a way does not work; empty: it does, or it leads to a refusal by another rule, which has a hint.

    What the refusal advises to mend in other ways may stay.
    """
    kept = Counter(violation.layer for violation in violations(error)
                   if violation.rule == rule and not item.pattern.search(own(violation.help)))
    try:
        again = _refusal(run)
    except (SynapressError, ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as wrong:
        return "".join(traceback.format_exception_only(wrong))
    left = _reasons(again, rule)
    if again is None or (not any(key in left and left[key] > kept[key] for key in _reasons(error, rule))
                         and all(violation.help.strip() for violation in violations(again))):
        return ""
    return str(again)


def follow(error: Refused, call: Call, rule: str, item: Form, found: list[re.Match[str]]) -> list[str] | None:
    """What is wrong with a hint; None: the call has nothing that the hint could change."""
    wrong, ways = [], 0
    try:
        for way in item.follow(call, found):
            ways += 1
            why = next((why for why in (_works(run, error, rule, item) for run in way) if not why), None)
            if why is None:
                wrong.append(_works(way[0], error, rule, item))
    except (SynapressError, AssertionError, LookupError, SyntaxError, TypeError, ValueError) as impossible:
        return ["".join(traceback.format_exception_only(impossible))]
    return wrong if ways else None


# -- within pytest -------------------------------------------------------------------------------


class WaysOut:
    """Keeps the refusals of a test, and follows them when it has ended."""

    def __init__(self) -> None:
        self.kept: list[tuple[Refused, Call]] = []
        self.count: dict[Kind, int] = {}
        self.seen: set[Kind] = set()
        self.hints: dict[str, list[str]] = {}
        self.unknown: list[str] = []
        self.seconds = 0.0
        self.missed: set[Kind] = set()
        self.busy = False

    def watch(self) -> None:
        """Look at every refusal that is made from now on."""
        watch(self._keep)

    def _keep(self, error: Refused) -> None:
        if self.busy:
            return
        for violation in violations(error):
            if violation.help not in self.hints:
                self.hints[violation.help] = wrong = unknown(violation.help)
                self.unknown += [f"rule '{violation.rule}': {text}" for text in wrong]
        call = None
        for rule, item, found in forms(error):
            call = call or _outermost()
            if call is None:
                self.missed.add((plain(rule), item.name, ""))
                return
            kind = _kind(rule, item, found, call)
            if kind not in self.seen and self.count.get(kind, 0) < KEPT:
                self.count[kind] = self.count.get(kind, 0) + 1
                self.kept.append((error, call))
                return

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        yield
        kept, self.kept, self.count = self.kept, [], {}
        lost, self.unknown = self.unknown, []
        started = time.process_time()
        self.busy = True
        try:
            wrong = [text for error, call in kept if _reached(error, call) for text in self._follow(error, call)]
        finally:
            self.busy = False
            self.seconds += time.process_time() - started
        if lost:
            wrong.append("hints in no form that can be followed; tests/helpers/free_hints.py lists the others:\n"
                         + "\n".join(dict.fromkeys(lost)))
        if wrong:
            pytest.fail("\n\n".join(wrong), pytrace=False)

    def _follow(self, error: Refused, call: Call) -> Iterator[str]:
        new = [(kind, rule, item, found) for rule, item, found in forms(error)
               if (kind := _kind(rule, item, found, call)) not in self.seen]
        if not new:
            return
        again = None
        try:
            again = _refusal(call.run)
        except Exception:  # arguments that the test has changed since
            return
        for kind, rule, item, found in new:
            if not _reasons(again, rule):
                continue
            wrong = follow(error, call, rule, item, found)
            (self.missed if wrong is None else self.seen).add(kind)
            for why in wrong or ():
                hint = next(match.string for match in found)
                yield f"rule '{rule}', by {call.verb.__name__}: the hint\n  {hint}\nleads, as {item.name}, to\n  {why}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.seen:
            missed = self.missed - self.seen
            terminalreporter.write_line(f"ways out of refusals: {len(self.seen)} followed in {self.seconds:.1f} s; "
                                        f"{len(missed)} of calls that take nothing that they name")
            if terminalreporter.config.getoption("verbose") > 0:
                for sign, kinds in (("+", self.seen), ("-", missed)):
                    for kind in sorted(kinds):
                        terminalreporter.write_line(f"{sign} {', '.join(kind)}")


def _kind(rule: str, item: Form, found: Sequence[re.Match[str]], call: Call) -> Kind:
    named = sorted({name for match in found for name in _named(match[0])})
    return plain(rule), " ".join((item.name, *named)), call.verb.__name__


def _outermost() -> Call | None:
    """The call of a verb, furthest out, within which a refusal is made."""
    frame, found = sys._getframe(), None
    while frame is not None:
        if frame.f_code in _CODES:
            found = frame
        frame = frame.f_back  # type: ignore[assignment]
    if found is None:
        return None
    code, values = found.f_code, found.f_locals
    names = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]
    return Call(_CODES[code], {name: values[name] for name in names if name in values})


def _reached(error: Refused, call: Call) -> bool:
    """Whether a refusal left the call, so that it reached the test."""
    trace = error.__traceback__
    codes = [frame.f_code for frame, _ in traceback.walk_tb(trace)]
    return call.verb.__code__ in codes[1:]
