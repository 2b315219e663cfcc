"""What a run does to the notebook's own classes and caches: nothing."""

import abc
import dataclasses
import enum
import functools
import sys

SCALE = 1


def helper(x):
    return x


def test_a_returned_object_leaves_its_class_to_the_notebook(gangs, monkeypatch):
    class Model:
        def value(self):
            return helper(SCALE)

    first, second = gangs[2].run(lambda rank: Model())
    assert type(first) is type(second) is Model
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 2)
    monkeypatch.setattr(sys.modules[__name__], "helper", lambda x: 100 * x)
    assert [Model().value(), first.value()] == [200, 200]
    assert gangs[2].run(lambda rank: Model().value()) == [200, 200]


def test_what_a_rank_sets_on_a_class_stays_on_that_rank(gangs):
    class Counter:
        seen = 0

    def work(rank):
        Counter.seen += 10 + rank
        Counter.added = rank
        return Counter, Counter()

    Counter.seen = 5
    for cls, instance in gangs[2].run(work):
        assert cls is type(instance) is Counter
    assert Counter.seen == 5 and not hasattr(Counter, "added")


def test_kinds_of_classes_come_back_as_themselves(gangs):
    class Colour(enum.Enum):
        RED = 1

    @dataclasses.dataclass
    class Config:
        width: int = 1

    class Base(abc.ABC):
        __slots__ = ("x",)

        @abc.abstractmethod
        def f(self): ...

    class Derived(Base):
        def f(self):
            return 1

    for colour, config, derived, made in gangs[2].run(lambda rank: (Colour.RED, Config(3), Derived(), Derived)):
        assert colour is Colour.RED and config == Config(3)
        assert type(derived) is made is Derived
    assert [field.name for field in dataclasses.fields(Config)] == ["width"]


def test_a_class_made_on_the_ranks_works_in_the_notebook(gangs):
    def work(rank):
        class Local:
            def value(self):
                return rank + 1

        return Local()

    assert [local.value() for local in gangs[2].run(work)] == [1, 2]


def test_caches_travel_empty_and_work(gangs):
    @functools.cache
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    @functools.singledispatch
    def kind(x):
        return "other"

    @kind.register
    def _(x: int):
        return "int"

    class Model:
        made = 0

        @functools.cached_property
        def size(self):
            type(self).made += 1
            return 7

        @functools.lru_cache(maxsize=3)  # noqa: B019
        def add(self, x):
            return x + 1

    fibonacci(10), kind(1)
    model = Model()

    def work(rank):
        before = fibonacci.cache_info().currsize
        sums = fibonacci(20), fibonacci.cache_info().hits > 0, Model.add.cache_parameters()["maxsize"], model.add(1)
        return before, *sums, model.size, model.size, Model.made, kind(1), kind("1")

    assert gangs[2].run(work) == [(0, 6765, True, 3, 2, 7, 7, 1, "int", "other")] * 2
