"""A Git repository with a pipeline that takes every turn its inputs ask for; the GitLab twin runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

CI_FILE = """\
spec:
  inputs:
    prefix: {default: 203.0.113.0/24}
    attempt: {default: none}
    mode: {default: plain, options: [plain, broken, slow, gated, guarded, bridged, loose, flaky, elsewhere, lasting]}
    lasting: {default: "0.5"}
    changerail_key: {default: ""}
---
workflow:
  name: change $[[ inputs.attempt ]] $[[ inputs.changerail_key ]]
stages: [validate, deploy]
variables:
  MODE: $[[ inputs.mode ]]
default:
  before_script: [echo start]
validate:
  stage: validate
  script:
    - echo "+ prefix $[[ inputs.prefix ]]" > edge.diff
    - mkdir -p out/deep && echo "$CI_PIPELINE_SOURCE $GREETING" > out/deep/source.txt
    - if [ "$MODE" = broken ]; then echo "device says no" >&2; exit 3; fi
    - if [ "$MODE" = slow ]; then sleep 60; fi
    - if [ "$MODE" = lasting ]; then sleep $[[ inputs.lasting ]]; fi
    - if [ "$MODE" = loose ]; then exit 3; fi
    - if [ "$MODE" = flaky ]; then exit ${FLAKY:-0}; fi
  artifacts: {paths: [edge.diff, out/], when: always}
maybe:
  stage: validate
  script: [exit 1]
  allow_failure: true
child:
  stage: validate
  rules: [{if: '$MODE == "bridged"'}]
  trigger: {include: child.yml, strategy: depend}
elsewhere:
  stage: validate
  rules: [{if: '$MODE == "elsewhere"'}]
  trigger: {project: net/silent}
lengthy:
  stage: validate
  rules: [{if: '$MODE == "loose"'}]
  variables: {LASTING: "$[[ inputs.lasting ]]"}
  trigger: {include: lengthy.yml}
deploy:
  stage: deploy
  rules:
    - {if: '$MODE == "gated"', when: manual}
    - {if: '$MODE != "guarded"'}
  script: [cat edge.diff]
release:
  stage: deploy
  rules: [{if: '$MODE == "guarded"'}]
  environment: production
  script: [echo released]
optional:
  stage: deploy
  when: manual
  script: [echo extra]
"""

SILENT_CI_FILE = """\
spec: {inputs: {changerail_key: {default: ""}}}
---
quiet: {script: [echo done]}
"""
"""A pipeline whose name does not tell the key it was given."""


def make(folder: Path, ci_file: str = CI_FILE) -> Path:
    """Makes ``folder`` the repository, with the branches main and proposal."""
    (folder / ".gitlab-ci.yml").write_text(ci_file)
    (folder / "child.yml").write_text("below: {script: [echo child]}\n")
    (folder / "lengthy.yml").write_text("lasting: {script: [sleep $LASTING]}\n")
    author = ["-c", "user.name=Engineer", "-c", "user.email=engineer@example.net"]
    commands = (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        [*author, "commit", "-qm", "Edge filter"],
        ["branch", "proposal"],
    )
    for command in commands:
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return folder
