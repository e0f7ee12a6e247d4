"""``peak-fast walk-forward``: windows, studies, what it writes."""

import json

from peak_fast import BacktestResult, load
from peak_fast.validation import walk_forward
from tests.cli_fixtures import check_wrong

ARGUMENTS = ("walk-forward", "--strategy", "ma_crossover", "--grid", "fast=3:9:3", "--grid", "slow=10,20")


class TestWalkForward:
    def test_like_the_function(self, command, prices, tmp_path):
        code, out, err = command(
            *ARGUMENTS, "--data", str(prices), "--train", "60", "--test", "20", "--fee-bps", "10",
            "--out", "walk", "--plot", "walk.png", "--positions", "flat", "--min-trades", "1",
        )  # fmt: skip
        assert code == 0, err
        assert "Efficiency" in out and "walk.png" in out
        assert (tmp_path / "walk.png").read_bytes()[:4] == b"\x89PNG"
        told = json.loads((tmp_path / "walk" / "walk_forward.json").read_text(encoding="utf-8"))
        walked = walk_forward(
            "ma_crossover", {"fast": [3, 6, 9], "slow": [10, 20]}, load(prices), train=60, test=20, min_trades=1,
            positions="flat", costs=told_costs(),
        )  # fmt: skip
        assert [fold["fast"] for fold in told["folds"]] == walked.folds["fast"].to_list()
        saved = BacktestResult.load(tmp_path / "walk" / "result")
        assert saved.equity.tolist() == walked.result.equity.tolist()

    def test_calendar_and_json(self, command, prices):
        code, out, err = command(
            *ARGUMENTS, "--data", str(prices), "--train", "2mo", "--test", "1mo", "--purge", "2d", "--json"
        )
        assert code == 0, err
        assert json.loads(out)["folds"][0]["train_bars"] > 30

    def test_a_study_in_each_fold(self, command, prices):
        code, out, err = command(
            "walk-forward", "--data", str(prices), "--strategy", "ma_crossover", "--grid", "fast=2:9",
            "--grid", "slow=10:30", "--train", "60", "--test", "30", "--trials", "8", "--sampler", "random",
        )  # fmt: skip
        assert code == 0, err
        assert "of 8 configurations" in out

    def test_what_is_wrong_is_one_line(self, command, prices):
        check_wrong(
            command(
                *ARGUMENTS, "--data", str(prices), "--train", "60", "--test", "20", "--positions", "hold"
            ),
            "'carry' or 'flat'",
        )
        check_wrong(command(*ARGUMENTS, "--data", str(prices), "--train", "9999", "--test", "20"), "too few")


def told_costs():
    from peak_fast import Costs

    return Costs.from_bps(10)
