#!/usr/bin/env bash
# Dagster 1.13.27: an asset's step may yield the results of its checks before or after its `MaterializeResult`. A result that
# comes before is tied to the materialization before this one, though step, run and partition are the same. From the second
# run on, the check's status of that partition is then missing (`None`), and the page shows the partition as not checked,
# although the check has just passed. Yielded after the materialization, the same result counts.
#
# Who reports checks first, so that a failed one keeps the asset from being materialized, meets it: every partition is shown
# as not checked, from its second run on.
#
# Expected before it was run: that a result belongs to the run that reports it. Seen: as above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27
cd "$folder"
venv/bin/python - <<'PYTHON' 2>/dev/null
import dagster as dg

quarters = dg.StaticPartitionsDefinition(["2026_Q4"])


def targets(check_first):
    """Of two runs: whether the check's result is tied to the materialization of its own run."""

    @dg.multi_asset(
        specs=[dg.AssetSpec("calls", partitions_def=quarters)],
        check_specs=[dg.AssetCheckSpec("whole", asset="calls", partitions_def=quarters)],
        partitions_def=quarters,
    )
    def calls():
        result = dg.AssetCheckResult(asset_key="calls", check_name="whole", passed=True)
        made = dg.MaterializeResult("calls")
        yield from (result, made) if check_first else (made, result)

    found = []
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            run = dg.materialize([calls], instance=instance, partition_key="2026_Q4")
            (evaluation,) = run.get_asset_check_evaluations()
            target = evaluation.target_materialization_data
            found.append(target and target.run_id == run.run_id)
    return found


assert targets(check_first=True) == [None, False], targets(check_first=True)
assert targets(check_first=False) == [True, True], targets(check_first=False)
print("as described")
PYTHON
