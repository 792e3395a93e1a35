"""The API holds what docs/openapi.yaml promises: schemathesis asks a real coordinator."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
import yaml
from conftest import ROOT, full_counts
from service import Service

DESCRIPTION = ROOT / "docs/openapi.yaml"
EXAMPLES = 100 if full_counts() else 10
DEADLINE_S = 600 if full_counts() else 120
# What is asked for by the rules of the description may not be there, and what an experiment is, it does not say.
CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
          "response_schema_conformance,negative_data_rejection,unsupported_method,ignored_auth")


@pytest.fixture
def api(tutti, experiment):
    """A coordinator with a finished ensemble."""
    service = Service(tutti)
    service.start("--listen", "http://127.0.0.1:0")
    service.worker()
    tutti("submit", experiment(epochs=1), "--wait")
    return service


def ask(api, role, path):
    token = (api.tutti.home / f"access/{role}.token").read_text().strip()
    request = urllib.request.Request(f"{api.address}{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def schemathesis(api, folder, *options):
    """Runs it with the operator's token, which no argument names."""
    results = next(artifact["id"] for artifact in ask(api, "operator", "/api/v1/ensembles/small-1/artifacts")["artifacts"]
                   if artifact["name"] == "results.json")
    environment = dict(api.tutti.environment, TUTTI_TOKEN=(api.tutti.home / "access/operator.token").read_text().strip())
    configuration = folder / "schemathesis.toml"
    configuration.write_text(f"""\
headers = {{ Authorization = "Bearer ${{TUTTI_TOKEN}}" }}
[[operations]]
include-operation-id = "downloadArtifact"
parameters = {{ "path.ID" = "small-1", "path.AID" = "{results}" }}
""")
    program = Path(sys.executable).parent / "schemathesis"
    return subprocess.run([program, "--config-file", configuration, "run", DESCRIPTION, "--url", api.address,
                           "--checks", CHECKS, "--max-examples", str(EXAMPLES), "--seed", "1", "--no-shrink",
                           "--generation-database", "none", "--continue-on-failure",
                           # They have no end: tests/e2e/test_operations.py follows them.
                           "--exclude-operation-id", "followEvents", "--exclude-operation-id", "followEnsemble",
                           *options],
                          cwd=folder, env=environment, capture_output=True, text=True, timeout=DEADLINE_S,
                          stdin=subprocess.DEVNULL)


def assert_held(done):
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_answer_is_as_described(api, tmp_path):
    assert_held(schemathesis(api, tmp_path, "--phases", "examples,coverage,fuzzing", "--include-method", "GET"))
    assert_held(schemathesis(api, tmp_path, "--phases", "examples,coverage,fuzzing", "--exclude-method", "GET"))
    assert api.coordinator.poll() is None, api.coordinator.output()


def test_a_reader_gets_the_answer_but_neither_paths_nor_models(api):
    """The kinds of files that each role may download, and what the ensemble's page says."""
    def kinds(role):
        return {artifact["kind"] for artifact in ask(api, role, "/api/v1/ensembles/last/artifacts")["artifacts"]}
    assert kinds("reader") == {"results", "predictions"}
    assert kinds("operator") == {"results", "predictions", "checkpoint", "experiment"}
    for path in ("/api/v1/ensembles", "/api/v1/ensembles/last", "/api/v1/ensembles/last/members"):
        assert str(api.tutti.folder) not in json.dumps(ask(api, "reader", path))


def test_every_route_is_described():
    served = set()
    for file in (ROOT / "coordinator/server/routes").glob("*.cc"):
        for method, path in re.findall(r'\{Method::k(\w+), "([^"]+)", Role::', file.read_text()):
            served.add((method.upper(), re.sub(r"\b([A-Z]+)\b", r"{\1}", path)))
    described = {(method.upper(), path)
                 for path, operations in yaml.safe_load(DESCRIPTION.read_text())["paths"].items()
                 for method in operations if method != "parameters"}
    assert served and served == described
    in_words = (ROOT / "docs/api.md").read_text()
    for method, path in served:
        assert f"`{method} {path.replace('{', '').replace('}', '')}" in in_words, f"docs/api.md lacks {method} {path}"
