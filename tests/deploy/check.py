"""Holds the rendered chart against the schemas of Kubernetes: python check.py FILE..."""

import sys

import kubernetes_validate
import yaml

# Kinds that do not come with Kubernetes.
FOREIGN = {"ServiceMonitor"}
VERSIONS = ["1.25", "1.34"]

checked = 0
for name in sys.argv[1:]:
    with open(name) as file:
        for thing in yaml.safe_load_all(file):
            if not thing or thing["kind"] in FOREIGN:
                continue
            for version in VERSIONS:
                kubernetes_validate.validate(thing, version, strict=True)
                checked += 1
print(f"{checked} objects are as Kubernetes wants them")
sys.exit(0 if checked else "there is nothing to check")
