"""Rules as a user writes them: what they mean, and what is wrong with them."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session.ratelimit.base import LimitSubject, Permit, Quota
from asgi_session.ratelimit.rules import FailureBudget, RateLimit, problems_of
from tests.ratelimit.parts import Subject


def by_tenant(subject: LimitSubject) -> str | None:
    """A key function."""
    return subject.scope.get("tenant")


def request(method: str = "GET", path: str = "/") -> Mapping[str, Any]:
    """A scope."""
    return {"type": "http", "method": method, "path": path}


def numbered(rules: list[Any]) -> dict[str, Any]:
    """Rules as the middleware names them."""
    return {f"rate_limits[{at}]": rule for at, rule in enumerate(rules)}


def test_plain_rule_says_it_all() -> None:
    """The shortest rule limits each address at the edge, and is named after what it does."""
    rule = RateLimit("100/minute")
    assert rule.name == "100-per-minute-ip"
    assert rule.stage == "edge"
    assert rule.policy.quotas == (Quota("100-per-minute-ip", 100, 60),)
    assert rule.problems() == []


def test_several_windows_are_quotas_with_names_of_their_own() -> None:
    """Each window of a rule is a quota."""
    rule = RateLimit("10/second; 100 per 5 minute | 1000/day", key="user", name="api")
    assert rule.policy.quotas == (Quota("api-second", 10, 1), Quota("api-5-minute", 100, 300), Quota("api-day", 1000, 86_400))
    assert rule.stage == "identity"
    assert rule.problems() == []


def test_default_name_of_several_windows_and_a_function() -> None:
    """The default name holds the windows and the function's name."""
    assert RateLimit("1/second;9/2 hour", key=by_tenant).name == "1-per-second-9-per-2-hour-by_tenant"
    assert RateLimit("1/second", key=lambda _: "x").name == "1-per-second-lambda"


@pytest.mark.parametrize(("key", "stage"), [("ip", "edge"), ("user", "identity"), ("session", "identity"), (by_tenant, "identity")])
def test_stage_follows_from_the_key(key: Any, stage: str) -> None:
    """Only the address is known before validation; a function may say that it needs no more than the connection."""
    assert RateLimit("1/second", key=key).stage == stage
    assert RateLimit("1/second", key=by_tenant, stage="edge").stage == "edge"


@pytest.mark.parametrize(
    ("method", "path", "applies"),
    [("POST", "/login", True), ("POST", "/Login/", True), ("GET", "/login", False), ("POST", "/", False), ("PUT", "/login", True)],
)
def test_methods_and_paths_narrow_a_rule(method: str, path: str, applies: bool) -> None:
    """A rule applies where both method and path are among its own."""
    rule = RateLimit("1/second", methods=["post", "PUT"], paths="/login")
    assert rule.applies_to(request(method, path)) is applies


@pytest.mark.parametrize("method", ["post", "PoSt", "put"])
@pytest.mark.security("RL-13")
def test_rl13_the_case_of_a_method_gets_around_no_rule(method: str) -> None:
    """Some servers pass on what the client wrote, and some frameworks run POST for it."""
    assert RateLimit("1/second", methods=["POST", "put"]).applies_to(request(method, "/"))


@pytest.mark.security("RL-13")
def test_rl13_a_head_is_a_get_without_its_body() -> None:
    """It runs the same handler; a rule for HEAD alone means no GET."""
    assert RateLimit("1/second", methods=["GET"]).applies_to(request("HEAD", "/"))
    assert RateLimit("1/second", methods=["GET"]).applies_to(request("head", "/"))
    assert not RateLimit("1/second", methods=["HEAD"]).applies_to(request("GET", "/"))
    assert not RateLimit("1/second", methods=["POST"]).applies_to(request("HEAD", "/"))


def test_lone_text_is_one_value() -> None:
    """A lone method is not taken for its letters."""
    rule = RateLimit("1/second", methods="get")
    assert rule.methods == frozenset({"GET"})
    assert rule.applies_to({"type": "websocket", "path": "/ws"})


def test_rule_without_narrowing_applies_to_everything() -> None:
    """Without methods and paths a rule means every request, those without a path included."""
    assert RateLimit("1/second").applies_to({})


def test_cost_may_depend_on_the_request() -> None:
    """A cost is a number or a function of the request."""
    assert RateLimit("9/second", cost=2).cost_for(Subject()) == 2
    dynamic = RateLimit("9/second", cost=lambda subject: len(subject.scope["path"]))
    assert dynamic.cost_for(Subject()) == 1
    assert dynamic.problems() == []


@pytest.mark.parametrize("cost", [0, -5, 1.5, True, None, "3"])
@pytest.mark.security("RL-12")
def test_rl12_cost_below_one_is_refused(cost: Any) -> None:
    """No cost gives units back or is free: a constant is a problem, a function's result an error."""
    assert [problem.field for problem in RateLimit("9/second", cost=cost).problems()] == ["cost"]
    with pytest.raises(ValueError, match="whole number from 1 up"):
        RateLimit("9/second", cost=lambda _: cost).cost_for(Subject())


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"limit": "often"}, "limit"),
        ({"limit": "5/fortnight"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"limit": None}, "limit"),
        ({"limit": "0/minute"}, "limit"),
        ({"limit": "2000000000/minute"}, "limit"),
        ({"limit": "1/1000 year"}, "limit"),
        ({"limit": "5/minute; 9/60 second"}, "limit"),
        ({"limit": "20000/hour", "strategy": "moving"}, "strategy"),
        ({"key": "address"}, "key"),
        ({"key": None}, "key"),
        ({"key": "user", "stage": "edge"}, "stage"),
        ({"stage": "late"}, "stage"),
        ({"name": 'a"b'}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "ü"}, "name"),
        ({"name": "n" * 65}, "name"),
        ({"name": 5}, "name"),
        ({"limit": 100}, "limit"),
        ({"methods": 5}, "methods"),
        ({"paths": 5}, "paths"),
        ({"methods": []}, "methods"),
        ({"methods": ["GET /"]}, "methods"),
        ({"methods": [1]}, "methods"),
        ({"paths": []}, "paths"),
        ({"paths": ["login"]}, "paths"),
        ({"paths": ["/a/*/b"]}, "paths"),
        ({"paths": ["/a*"]}, "paths"),
        ({"paths": [None]}, "paths"),
        ({"cost": 10}, "cost"),
        ({"on_store_error": "retry"}, "on_store_error"),
        ({"strategy": "fixed"}, "strategy"),
    ],
)
def test_mistakes_are_reported_not_raised(arguments: dict[str, Any], field: str) -> None:
    """Each mistake is one problem, which names its argument and what to do."""
    [problem] = RateLimit(**{"limit": "9/minute", **arguments}).problems()
    assert problem.field == field
    assert problem.fix


def test_all_mistakes_are_reported_at_once() -> None:
    """A rule with several mistakes says all of them."""
    rule = RateLimit("often", key="address", name="?", cost=0, paths=["x"])
    assert {problem.field for problem in rule.problems()} == {"limit", "key", "name", "cost", "paths"}


def test_problems_of_several_rules_say_which_rule() -> None:
    """The field tells the rule's place in the middleware's arguments, that of the budget too."""
    rules = {
        "rate_limits[0]": RateLimit("1/second"),
        "rate_limits[1]": RateLimit("1/second", name="other", key="address"),
        "failed_credentials": FailureBudget("many"),
    }
    assert [problem.field for problem in problems_of(rules)] == ["rate_limits[1].key", "failed_credentials.limit"]


@pytest.mark.parametrize(
    "rules",
    [
        [RateLimit("9/minute"), RateLimit("9/minute", paths=["/x"])],
        [RateLimit("9/minute", name="a"), RateLimit("5/hour", name="a")],
        [RateLimit("1/second;9/minute", name="a"), RateLimit("5/hour", name="a")],
        [RateLimit("1/second;9/minute", name="a"), RateLimit("5/hour", name="a-minute")],
        [RateLimit("1/second;9/minute", name="a"), RateLimit("5/hour;8/day", name="a")],
        [RateLimit("1/second", name="failed-credentials"), FailureBudget()],
    ],
)
def test_two_rules_of_one_name_are_a_problem(rules: list[RateLimit | FailureBudget]) -> None:
    """Names are keys in storage and headers, so two rules or quotas can't share one."""
    [problem] = problems_of(numbered(rules))
    assert problem.field == "rate_limits"
    assert "name=" in problem.fix


def test_different_rules_are_no_problem() -> None:
    """Rules that differ in limit or key have different names by themselves."""
    rules = [RateLimit("9/minute"), RateLimit("9/minute", key="user"), RateLimit("1/second;5/minute"), FailureBudget()]
    assert problems_of(numbered(rules)) == []


def test_storage_key_depends_on_limit_and_strategy() -> None:
    """What was counted under other limits is not read as a count of these."""
    rules = [RateLimit("9/minute", name="a"), RateLimit("8/minute", name="a"), RateLimit("9/minute", name="a", strategy="moving")]
    assert len({rule.policy.key for rule in rules}) == 3
    assert RateLimit("9/minute", name="a").policy.key == rules[0].policy.key


def test_failure_budget_is_tested_without_being_used() -> None:
    """The edge only tests the budget, a bad credential charges it; each process counts for itself."""
    budget = FailureBudget("20/minute")
    assert budget.test("p") == Permit(budget.policy, "p", 1, False)
    assert budget.charge("p") == Permit(budget.policy, "p", 1, True)
    assert not budget.policy.shared
    assert budget.problems() == []


def test_failure_budget_reports_mistakes() -> None:
    """A budget that can't be read is a problem."""
    assert [problem.field for problem in FailureBudget("often").problems()] == ["limit"]


@given(st.text(max_size=20), st.text(max_size=20), st.integers())
def test_any_texts_make_a_rule_or_a_problem(limit: str, name: str, cost: int) -> None:
    """No text makes the constructor or ``problems`` raise."""
    rule = RateLimit(limit, name=name, cost=cost, paths=[name], methods=[name], key=limit)
    assert rule.problems()
