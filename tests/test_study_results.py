"""Studies: feasible results, the Pareto front, what a result says and shows."""

import math

import numpy as np
import polars as pl
import pytest

optuna = pytest.importorskip("optuna")

from peak_fast.errors import StrategyError  # noqa: E402
from peak_fast.params.parameter import Param  # noqa: E402
from peak_fast.studies.pareto import pareto_mask  # noqa: E402
from tests.study_fakes import FAST, SLOW, TWO, hill, make, only_fast, run  # noqa: E402

# --- feasibility ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "qmc"])
def test_infeasible_results_are_marked_and_never_best(sampler):
    study = make(sampler, feasible=["total_trades >= 45"], batch=16)  # fast <= 20, the top is at 30
    result = study.run(n_trials=150)
    frame = study.trials
    assert (frame["feasible"] == (frame["total_trades"] >= 45)).all()
    assert not frame["feasible"].all()
    assert result.best_params["fast"] <= 20
    assert study.optuna.best_trial.params["fast"] <= 20
    assert result.best_value == frame.filter(pl.col("feasible"))["sharpe"].max()


def test_samplers_learn_what_is_feasible():
    free, bound = (
        run(make("tpe", feasible=f, seed=4), 120).trials["fast"][60:] for f in (None, "total_trades >= 45")
    )
    assert (free <= 20).mean() < 0.3
    assert (bound <= 20).mean() > 0.5


def test_nothing_feasible_is_said_plainly():
    result = make("tpe", feasible="total_trades > 1e6").run(n_trials=20)
    assert result.best_params == {}
    assert "No feasible trial" in result.summary()
    with pytest.raises(StrategyError, match="feasible trial; got none"):
        _ = result.best_value
    assert len(result.front) == 0


def test_undefined_objectives_end_as_pruned_with_a_reason():
    def partly(columns, bars, metrics):
        found = dict(hill(columns, bars, metrics))
        found["sharpe"] = np.where(np.asarray(columns["fast"]) % 2, found["sharpe"], np.nan)
        return found

    study = make("tpe", evaluator=partly)
    result = study.run(n_trials=60)
    even = study.trials.filter(pl.col("fast") % 2 == 0)
    assert set(even["state"]) == {"PRUNED"}
    assert set(even["reason"]) == {"undefined: sharpe"}
    assert result.tally.undefined == len(even) > 0
    assert result.best_params["fast"] % 2 == 1


# --- Pareto front --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_pareto_mask_equals_the_definition(columns):
    generator = np.random.default_rng(columns)
    values = generator.integers(0, 8, size=(120, columns)).astype(float)
    maximize = [True, False, True][:columns]
    losses = values * np.where(maximize, -1, 1)
    expected = [not any(np.all(other <= row) and np.any(other < row) for other in losses) for row in losses]
    assert pareto_mask(values, maximize).tolist() == expected


def test_front_has_no_dominated_point_and_equals_the_true_one_on_a_small_grid():
    schema = (Param("fast", "int", 20, low=11, high=34), Param("slow", "int", 108, low=108, high=131))
    exhaustive = make("grid", TWO, schema=schema).run()
    search = make("nsga2", TWO, schema=schema, batch=64, seed=1).run(n_trials=2500)
    for result in (exhaustive, search):
        values = result.front.select("objective_sharpe", "objective_max_drawdown").to_numpy()
        assert pareto_mask(values, [True, False]).all()
        assert result.front["objective_sharpe"].is_sorted(descending=True)
    assert len(exhaustive.front) == 20  # every fast from 11 to 30, each with slow = 120
    assert search.tally.run < 24 * 24
    assert (
        search.front.select("fast", "slow").sort("fast").rows()
        == exhaustive.front.select("fast", "slow").sort("fast").rows()
    )
    optunas = {(t.params["fast"], t.params["slow"]) for t in search_best(exhaustive)}
    assert optunas == set(exhaustive.front.select("fast", "slow").rows())


def search_best(result):
    study = optuna.create_study(directions=["maximize", "minimize"])
    distributions = {"fast": FAST.to_distribution(), "slow": SLOW.to_distribution()}
    for row in result.frame.iter_rows(named=True):
        study.add_trial(
            optuna.create_trial(
                params={"fast": row["fast"], "slow": row["slow"]},
                distributions=distributions,
                values=[row["sharpe"], -row["max_drawdown"]],
            )
        )
    return study.best_trials


def test_front_leaves_infeasible_points_out():
    result = make("nsga2", TWO, feasible="total_trades >= 45", batch=32).run(n_trials=300)
    assert len(result.front) > 0
    assert (result.front["total_trades"] >= 45).all()
    with pytest.raises(StrategyError, match="expected one objective"):
        _ = result.best_value


# --- results -------------------------------------------------------------------------------------------------


def test_robustness_tells_a_plateau_from_a_peak():
    def peak(columns, bars, metrics):
        found = dict(hill(columns, bars, metrics))
        lucky = (np.asarray(columns["fast"]) == 50) & (np.asarray(columns["slow"]) == 60)
        found["sharpe"] = np.where(lucky, 2.5, found["sharpe"])
        return found

    study = make("grid", evaluator=peak)
    result = study.run()
    assert result.best_params == {"fast": 50, "slow": 60}
    table = study.robustness(top=5)
    assert table["number"][-1] == result.best_number  # best value, worst neighbourhood
    top = table.row(0, named=True)
    assert top["mean"] > 1.8
    assert top["neighbours"] == 8
    lone = table.row(-1, named=True)
    assert lone["value"] == 2.5
    assert lone["mean"] < 1.0
    assert f"mean {lone['mean']:.6g} over 8 neighbours" in result.summary()


def test_neighbourhood_mean_equals_one_by_hand():
    study = make("grid", schema=(FAST,), evaluator=only_fast)
    result = study.run()
    row = study.robustness(top=1, width=0.1).row(0, named=True)
    best = result.best_params["fast"]
    expected = only_fast({"fast": np.array([best - 6, best, best + 6])}, None, None)["sharpe"]
    assert row["mean"] == pytest.approx(expected.mean())
    assert row["worst"] == pytest.approx(expected.min())
    assert row["neighbours"] == 2


def test_deflated_sharpe_inputs():
    study = make(
        "random", schema=(Param("fast", "int", 8, low=5, high=30), Param("slow", "int", 50, low=50, high=53))
    )
    result = study.run(n_trials=90)
    found = result.deflated_sharpe
    sharpes = study.trials.unique(["fast", "slow"])["sharpe"].to_numpy()
    assert found["trials"] == len(sharpes)
    assert found["sharpe_variance"] == pytest.approx(np.var(sharpes, ddof=1))
    assert found["best_sharpe"] == sharpes.max()
    # Expected maximum of n standard normals for n = 100 is 2.508 (tables); the formula is good to 2 %.
    generator = np.random.default_rng(0)
    maxima = generator.standard_normal((4000, len(sharpes))).max(axis=1).mean()
    assert found["expected_maximum_sharpe"] / math.sqrt(found["sharpe_variance"]) == pytest.approx(
        maxima, rel=0.03
    )
    assert study.optuna.user_attrs["peak_fast:deflated_sharpe"] == found


def test_summary_reads_well():
    text = make("tpe", constraints="fast < slow").run(n_trials=25).summary()
    assert "25 complete" in text
    assert "Sampler tpe: as asked for" in text
    assert "Best: trial" in text
    assert "Highest Sharpe of all trials" in text and "worthless strategies" in text


def test_figures_are_drawn():
    pytest.importorskip("matplotlib")
    study = run(make("nsga2", TWO, batch=16), 100)
    figures = study.figures()
    assert set(figures) == {"history", "importance", "slice", "front"}
    for figure in figures.values():
        figure.canvas.draw()
        assert len(figure.axes) >= 1
    lines = {line.get_label(): line for line in figures["front"].axes[0].get_lines()}
    assert sorted(lines["Pareto front"].get_xdata()) == sorted(study.front["objective_sharpe"])
    assert set(run(make("tpe"), 30).figures()) == {"history", "importance", "slice"}


def test_progress_is_reported_and_ends_at_the_total():
    states = []
    make("random", batch=8).run(n_trials=200, progress=states.append)
    assert [state.finished for state in states] == sorted(state.finished for state in states)
    assert states[-1].finished == states[-1].total == 200
    assert states[-1].best["sharpe"] > 1.0
    assert states[-1].rate > 0


def test_display_is_short():
    study = make("random", study_name="trend", seed=1)
    assert repr(study) == "Study('objective', sharpe:max, 'trend' in memory, 0 trials)"
    result = study.run(n_trials=3)
    assert repr(result).startswith(f"StudyResult('trend', 3 trials, best {result.best_values} at {{'fast': ")
    assert result._repr_html_().startswith("<pre>Study trend (memory): 3 complete\n")


def test_result_needs_a_run():
    with pytest.raises(StrategyError, match="call run"):
        _ = make("tpe").result


def test_optunas_verbosity_is_left_alone():
    before = optuna.logging.get_verbosity()
    make("tpe").run(n_trials=5)
    assert optuna.logging.get_verbosity() == before
