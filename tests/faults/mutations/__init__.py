"""Protections that can be switched off, one at a time, to see that it shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from tests.delivering.test_late_webhooks import gone_meanwhile
from tests.faults import live, tiled, translated
from tests.faults.budgets import soft_budget_passed
from tests.faults.contents import death_while_discarding, store_that_fails
from tests.faults.journey import outcome
from tests.faults.mutations import copies, jobs, lines, rescues, results, telling
from tests.faults.renewals import LOST_UPLOADS, models_change
from tests.faults.rescued import deaths_after_settling, older_configuration_beside
from tests.faults.senders import several_senders
from tests.faults.settled import counts_that_begin_anew, gap_in_results, results_that_changed
from tests.faults.stage import TILES
from tests.faults.tiles import tiles_in_doubt
from tests.faults.troubles import ALL
from tests.faults.zombies import upload_of_a_zombie
from tests.journey.test_quotas import larger_job_runs
from tests.journey.test_restored import restored_while_waiting
from tests.journey.test_vanished import unknown_for_a_while
from tests.live.test_lanes import native_goes_live
from tests.live.test_outages import path_is_lacking
from tests.rescue.test_uploads_fail import pending_for_ever
from tests.translated.deployed import ANTHROPIC
from tests.uploads.test_bounds import burst_of_uploads

Patch = pytest.MonkeyPatch


class Mutation(msgspec.Struct, frozen=True, kw_only=True):
    """One protection, and a journey that needs it."""

    switch_off: Callable[[Patch], None]
    journey: Callable[[Path], Awaitable[list[str]]]
    """tells what came out wrong"""

    @property
    def name(self) -> str:
        """For test ids."""
        return self.switch_off.__name__


def _under(name: str, flavour: str = "openai") -> Callable[[Path], Awaitable[list[str]]]:
    trouble = ALL[name] if flavour == "openai" else translated.ALL[flavour, name]
    return partial(outcome, (trouble,), flavour=flavour)


def _of_tiles(name: str) -> Callable[[Path], Awaitable[list[str]]]:
    return partial(outcome, (tiled.ALL[name],), flavour=TILES)


MUTATIONS = (
    Mutation(switch_off=jobs.target_is_written_last, journey=_under("death at place.answered")),
    Mutation(switch_off=jobs.no_answer_is_a_refusal, journey=_under("create_batch done, 504")),
    Mutation(switch_off=jobs.no_grace_for_jobs, journey=_under("create lost, list lags by calls")),
    Mutation(
        switch_off=jobs.one_list_is_enough_without_tags,
        journey=_under("create lost, list lags by calls", flavour=ANTHROPIC),
    ),
    Mutation(switch_off=jobs.the_vanished_are_given_up_early, journey=unknown_for_a_while),
    Mutation(switch_off=jobs.old_jobs_are_sent_unseen, journey=restored_while_waiting),
    Mutation(switch_off=jobs.limits_outlive_larger_jobs, journey=larger_job_runs),
    Mutation(switch_off=jobs.live_deployments_are_asked_for_batches, journey=native_goes_live),
    Mutation(switch_off=jobs.no_watch_for_twins, journey=_under("create done when it was given up")),
    Mutation(
        switch_off=jobs.twins_are_left_alone, journey=_under("create is passed on twice, 503 to a cancel")
    ),
    Mutation(switch_off=jobs.tags_are_not_compared, journey=_under("create lost, list fails")),
    Mutation(
        switch_off=results.results_always_pass, journey=_under("rows lost, doubled, foreign and unparsable")
    ),
    Mutation(switch_off=results.one_read_is_enough, journey=_under("ids of results come late")),
    Mutation(switch_off=results.missing_files_are_empty, journey=_under("results are not there for a while")),
    Mutation(switch_off=results.counts_may_fall, journey=counts_that_begin_anew),
    Mutation(switch_off=results.gaps_are_forgotten, journey=gap_in_results),
    Mutation(switch_off=results.digest_is_not_checked, journey=results_that_changed),
    Mutation(switch_off=copies.size_is_not_checked, journey=_under("copy is cut off")),
    Mutation(switch_off=copies.nothing_is_read_back, journey=_under("sizes told wrong, copy cut off")),
    Mutation(switch_off=copies.old_copies_are_adopted, journey=partial(models_change, faults=[LOST_UPLOADS])),
    Mutation(switch_off=copies.tags_tell_no_tile, journey=tiles_in_doubt),
    Mutation(switch_off=copies.twins_go_at_once, journey=models_change),
    Mutation(switch_off=copies.any_model_will_do, journey=models_change),
    Mutation(switch_off=copies.pending_copies_are_waited_for, journey=pending_for_ever),
    Mutation(switch_off=copies.uploads_do_not_wait, journey=burst_of_uploads),
    Mutation(switch_off=rescues.rests_begin_at_once, journey=_of_tiles("a job is moved, and ends late")),
    Mutation(switch_off=rescues.rests_come_later, journey=deaths_after_settling),
    Mutation(switch_off=rescues.hidden_files_have_a_clock, journey=_of_tiles("a month passes in between")),
    Mutation(switch_off=rescues.own_configuration_decides, journey=older_configuration_beside),
    Mutation(
        switch_off=rescues.cancelled_batches_hand_on,
        journey=_of_tiles("cancelled while the rest is counted"),
    ),
    Mutation(switch_off=rescues.nothing_is_held_back, journey=_of_tiles("no trouble")),
    Mutation(switch_off=telling.everything_is_news, journey=soft_budget_passed),
    Mutation(switch_off=jobs.nothing_is_fenced, journey=upload_of_a_zombie),
    Mutation(switch_off=telling.endpoints_are_not_held, journey=several_senders),
    Mutation(switch_off=telling.endpoints_are_taken_as_they_were, journey=gone_meanwhile),
    Mutation(switch_off=copies.rows_of_contents_go_first, journey=death_while_discarding),
    Mutation(switch_off=copies.acceptance_does_not_wait, journey=store_that_fails),
    Mutation(switch_off=lines.ranges_are_not_fenced, journey=live.answers_come_late),
    Mutation(switch_off=lines.rows_are_read_before_the_end, journey=live.answers_come_late),
    Mutation(switch_off=lines.second_results_replace_first_ones, journey=live.commits_without_an_answer),
    Mutation(switch_off=lines.answered_requests_take_no_place, journey=live.nothing_is_stored),
    Mutation(switch_off=lines.requests_begin_at_any_time, journey=live.claims_run_out),
    Mutation(switch_off=lines.orphans_run_as_all_others, journey=live.holder_dies),
    Mutation(switch_off=lines.tries_are_not_written_first, journey=live.holder_dies),
    Mutation(switch_off=lines.tries_are_written_once, journey=live.one_kills_its_holders),
    Mutation(switch_off=lines.suspects_begin_together, journey=live.one_kills_its_holders),
    Mutation(switch_off=lines.no_path_is_lacking, journey=path_is_lacking),
)
