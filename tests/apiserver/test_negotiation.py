"""Which form an Accept header gets, read as upstream's library reads it."""

from __future__ import annotations

import pytest

from pybernetes.api.errors import ApiError
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.negotiation import Encoding, Offer, Shown, media_of

TABLE = "as=Table;g=meta.k8s.io;v=v1"


def _request(accept: str) -> ApiRequest:
    return ApiRequest("GET", "/api/v1/pods", {}, {"accept": accept}, b"")


@pytest.mark.parametrize(
    ("accept", "encoding", "shown"),
    [
        ("*", Encoding.JSON, Shown.WHOLE),
        ("application/json;", Encoding.JSON, Shown.WHOLE),
        ("application/json;x", Encoding.JSON, Shown.WHOLE),
        ("text/html,application/json;q=0.1,application/yaml;q=0.2", Encoding.YAML, Shown.WHOLE),
        ("application/json;q=x,application/yaml;q=0.2", Encoding.YAML, Shown.WHOLE),
        (f"*/*;{TABLE},application/json", Encoding.JSON, Shown.WHOLE),
        (f"application/*;{TABLE},application/json;q=0.1", Encoding.JSON, Shown.WHOLE),
        (f"application/json; {TABLE.replace(';', '; ')}", Encoding.JSON, Shown.TABLE),
        (f"application/vnd.kubernetes.protobuf;{TABLE},application/json;{TABLE}", Encoding.JSON, Shown.TABLE),
    ],
)
def test_the_most_wanted_form_is_answered(accept: str, encoding: Encoding, shown: Shown) -> None:
    media = media_of(_request(accept))
    assert (media.encoding, media.shown) == (encoding, shown)


@pytest.mark.parametrize(
    "accept",
    ["APPLICATION/JSON", "json", "application/json/x", 'application/json;as="Table";g="meta.k8s.io";v="v1"', "text/*"],
)
@pytest.mark.parametrize("offer", Offer)
def test_what_names_no_served_form_is_not_acceptable(accept: str, offer: Offer) -> None:
    with pytest.raises(ApiError) as refused:
        media_of(_request(accept), offer)
    assert refused.value.code == 406
