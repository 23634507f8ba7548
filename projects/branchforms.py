"""What people set on a branch: the groups of its settings page, and which of them each stage has a use for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.forms import BoundField
from django.utils.functional import cached_property

from hosting import pools, runtimes
from hosting.models import Runtime
from hosting.odoo import floors, series
from portal import audit, clock
from portal.models import User
from projects import pins, plans
from projects.models import Branch, Stage

ALL, PRODUCTION = tuple(Stage), (Stage.PRODUCTION,)
COPIES, DEVELOPMENT = (Stage.STAGING, Stage.DEVELOPMENT), (Stage.DEVELOPMENT,)
INSTALLED = (Stage.PRODUCTION, Stage.DEVELOPMENT)  # staging has what its copy of production has


@dataclass(frozen=True)
class Setting:
    """How the page shows one column: its unit, and the stages on which it does anything."""

    name: str
    label: str
    help: str
    unit: str = ""
    stages: tuple[Stage, ...] = ALL


@dataclass(frozen=True)
class Group:
    """Settings that belong together, and when a change of them takes effect."""

    title: str
    effect: str
    settings: tuple[Setting, ...] = field(default=())


BY_HAND = "Builds can be asked for by hand at any time, and are new ones."
UPDATES = (
    "A new build has a database of its own. An update keeps the present one: modules whose version rose are updated, "
    "behind a page, and no tests are run. "
)
TOLD = "those who may change these settings are told 7 days and a day before"
PINS = f"One that is chosen here is kept for {pins.PINNED.days} days; {TOLD} the newest is taken again."
NEXT_BUILD, NEXT_DEPLOY, AT_ONCE = "with the next build", "with the next deploy", "at once"
GROUPS = (
    Group(
        "New commits",
        AT_ONCE,
        (Setting("on_push", "A new commit makes", BY_HAND),),
    ),
    Group(
        "Odoo",
        NEXT_BUILD,
        (Setting("runtime", "Odoo revision", PINS),),
    ),
    Group(
        "Modules and tests",
        NEXT_BUILD,
        (
            Setting(
                "install",
                "Modules to install",
                "In a new database. One that exists keeps what it has.",
                stages=INSTALLED,
            ),
            Setting(
                "install_list",
                "The list",
                "Technical names, such as sale_management, with spaces between.",
                stages=INSTALLED,
            ),
            Setting(
                "from_template",
                "Begin from a template",
                "A database that has what Odoo brings already. Off: all is installed anew.",
                stages=DEVELOPMENT,
            ),
            Setting("run_tests", "Run the tests", "Those of the modules that are installed.", stages=DEVELOPMENT),
            Setting(
                "test_tags",
                "Test tags",
                "As Odoo writes them: /sale,-/sale:TestSlow. Empty: all tests of the installed modules.",
                stages=DEVELOPMENT,
            ),
        ),
    ),
    Group(
        "The copy of production",
        NEXT_BUILD,
        (
            Setting(
                "copy_hours",
                "May be so old",
                "Made of a backup that was restored and proven, if one is younger: that takes seconds. "
                "0: always of production as it is.",
                "h",
                (Stage.STAGING,),
            ),
        ),
    ),
    Group(
        "Workers",
        NEXT_DEPLOY,
        (
            Setting("workers", "Workers", "", "workers", PRODUCTION),
            Setting("replicas", "Web containers", "", "containers", PRODUCTION),
        ),
    ),
    Group(
        "Deploys",
        NEXT_DEPLOY,
        (
            Setting("strategy", "Order", "What happens to the old pool while the new one starts.", stages=PRODUCTION),
            Setting("probe_path", "Path to probe", "A new pool must answer it with 200 before it gets a request."),
            Setting("full_timeout_seconds", "Time to get ready", "After that, a new pool has failed.", "s"),
            Setting(
                "drain_seconds",
                "Time to finish",
                "How long requests in flight may end on the old pool. More where people export a lot.",
                "s",
                PRODUCTION,
            ),
            Setting(
                "keep_minutes",
                "Keep the old pool",
                "To roll back in a second. 0 where there is no memory for it.",
                "min",
                PRODUCTION,
            ),
        ),
    ),
    Group(
        "Updates of modules",
        NEXT_DEPLOY,
        (
            Setting(
                "hold_seconds",
                "Visitors may wait",
                "Requests are held while modules are updated.",
                "s",
                PRODUCTION,
            ),
            Setting(
                "long_updates", "If it takes longer", "As the rehearsal on a copy foretells it.", stages=PRODUCTION
            ),
        ),
    ),
    Group(
        "Sleep",
        AT_ONCE,
        (
            Setting(
                "idle_minutes",
                "Sleeps after",
                "So long without a request. The next one wakes it up and is answered.",
                "min",
                COPIES,
            ),
        ),
    ),
)
SETTINGS = {setting.name: setting for group in GROUPS for setting in group.settings}


class ModulesField(forms.CharField):
    """Technical names, written with spaces, commas or line breaks between; a list in the row."""

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {**super().widget_attrs(widget), "rows": 2, "spellcheck": "false"}

    def prepare_value(self, value: Any) -> Any:
        return " ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return list(dict.fromkeys(str(value or "").replace(",", " ").split()))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class RevisionField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.frozen_at:%-d %B %Y} ({obj.short[:7]})"


class BranchForm(forms.ModelForm):  # type: ignore[type-arg]
    """A branch's settings but memory and CPU, which have a form of their own: they change under a running database."""

    install_list = ModulesField(required=False, widget=forms.Textarea)
    runtime = RevisionField(Runtime.objects.none(), required=False)

    class Meta:
        model = Branch
        fields = tuple(SETTINGS)

    def __init__(self, *arguments: Any, cpus: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name, setting in SETTINGS.items():
            if self.instance.stage not in setting.stages:
                del self.fields[name]
                continue
            self.fields[name].label, self.fields[name].help_text = setting.label, setting.help
        self._say_what_pushes_do()
        self._offer_revisions()
        if "workers" in self.fields:
            self.fields["workers"].help_text = workers_help(self.instance.workers, cpus)
            self.fields["replicas"].help_text = replicas_help(self.instance)
        for each in self.fields.values():
            each.widget.attrs["class"] = _class(each.widget)

    def _say_what_pushes_do(self) -> None:
        """Production's database is kept by every build, so there is no choice there."""
        on_push = self.fields["on_push"]
        assert isinstance(on_push, forms.ChoiceField)
        if self.instance.stage == Stage.PRODUCTION:
            on_push.choices = [choice for choice in Branch.OnPush.choices if choice[0] != Branch.OnPush.UPDATE]
            on_push.help_text = "Its database is kept in any case."
        else:
            on_push.help_text = UPDATES + BY_HAND

    def _offer_revisions(self) -> None:
        field, branch = self.fields["runtime"], self.instance
        assert isinstance(field, RevisionField)
        field.queryset = pins.choices(branch)
        newest = runtimes.newest(branch.project.host, branch.project.series)
        field.empty_label = f"The newest: {field.label_from_instance(newest)}" if newest else "The newest"
        if branch.pinned_until:
            field.help_text = f"Kept until {branch.pinned_until:%-d %B %Y}; {TOLD} the newest is taken again."

    @cached_property
    def changed_data(self) -> list[str]:
        """A pin has its end with it."""
        found = list(super().changed_data)
        return [*found, "pinned_until"] if "runtime" in found else found

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if "runtime" in self.changed_data:
            self.instance.pinned_until = clock.now() + pins.PINNED if values.get("runtime") else None
        if values.get("install") == Branch.Install.LIST and not values.get("install_list", True):
            self.add_error("install_list", "Name the modules to install.")
        if {"workers", "replicas"} & set(self.changed_data):
            refused = plans.too_many_workers(
                self.instance.project, values.get("workers", 0) * values.get("replicas", 0)
            )
            if refused:
                self.add_error("workers", f"{refused} Choose fewer, or ask the operator for more.")
        return values

    def groups(self) -> Iterator[tuple[Group, list[tuple[BoundField, str]]]]:
        """What the page shows: each group with its fields and their units."""
        for group in GROUPS:
            shown = [(self[each.name], each.unit) for each in group.settings if each.name in self.fields]
            if shown:
                yield group, shown

    def effects(self) -> dict[str, list[str]]:
        """When what was changed takes effect, with the labels of what was."""
        found: dict[str, list[str]] = {}
        for group in GROUPS:
            for setting in group.settings:
                if setting.name in self.changed_data:
                    found.setdefault(group.effect, []).append(setting.label)
        return found

    def save_by(self, by: User) -> None:
        """With an entry in the audit log."""
        branch = self.instance
        audit.save_form(self, by=by, verb="change branch settings", object=branch.name, project_id=branch.project_id)


class SizeForm(forms.ModelForm):  # type: ignore[type-arg]
    """Memory and cores of each container of a branch's database."""

    insist = forms.BooleanField(required=False, label="Less memory than it needs")

    class Meta:
        model = Branch
        fields = ("memory_mb", "cpus")
        labels = {"memory_mb": "Memory", "cpus": "Cores"}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for each in self.fields.values():
            each.widget.attrs["class"] = _class(each.widget)
        self.major = series.find(self.instance.project.series).major
        floor = floors.memory_floor(self.major) // floors.MIB
        self.fields["memory_mb"].help_text = f"Odoo {self.major} needs {floor:,} MB at least."
        self.fields["cpus"].help_text = f"Empty: what the platform gives, {pools.cores(None)}."

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        warning = floors.memory_warning(values.get("memory_mb", 0) * floors.MIB, self.major)
        if values.get("memory_mb") and warning and not values.get("insist"):
            self.add_error("memory_mb", f"{warning} To keep it, tick the box.")
        return values

    @property
    def below_floor(self) -> bool:
        """Whether the box is of any use."""
        asked = self["memory_mb"].value()
        return str(asked).isdecimal() and bool(floors.memory_warning(int(asked) * floors.MIB, self.major))


def workers_help(workers: int, cpus: float) -> str:
    """The rules of thumb, with this branch's figures."""
    users, memory = workers * floors.USERS_PER_WORKER, floors.memory_for_workers(workers) // floors.MIB
    return (
        f"In each web container. Cores x 2 + 1 as a rule: {floors.workers_for_cpus(cpus)} with {cpus:g} cores. "
        f"{workers} serve some {users} people and take about {memory:,} MB, "
        "if one request of five is heavy (1 GB) and the others light (150 MB)."
    )


def replicas_help(branch: Branch) -> str:
    """What more of them are good for, and what those of this branch take."""
    workers, memory = branch.replicas * branch.workers, branch.replicas * branch.memory_mb
    return (
        "Each has so many workers and the memory above. They share the visitors, and where one of them ends by a fault "
        f"the others go on. Now {workers} workers in all, with up to {memory:,} MB; twice that during a deploy, and as "
        "long as the old pool is kept."
    )


def _class(widget: forms.Widget) -> str:
    if isinstance(widget, forms.CheckboxInput):
        return "form-check-input"
    return "form-select" if isinstance(widget, forms.Select) else "form-control"


def branch_form(branch: Branch, data: Mapping[str, Any] | None = None) -> BranchForm:
    return BranchForm(data, instance=Branch.objects.get(pk=branch.pk), cpus=float(pools.cores(branch.cpus)))
