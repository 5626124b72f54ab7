"""The settings of the loss lab: hyperparameters, presets of the papers, the batch of coupled losses, kept curves.

All of it is in the address, and only what differs from the defaults: presets fill in the fields and are not kept
themselves; which one is on is seen from the values.
"""

from collections.abc import Mapping, Sequence
from inspect import getdoc
from typing import TYPE_CHECKING

import streamlit as st

from labelmend_app.screens import _losses
from labelmend_app.screens._lab_curves import Curve, spelled
from labelmend_core.curve_batch import CurveBatch, DrawnInBatch
from labelmend_core.errors import InputError
from labelmend_core.hyperparameter import Value

if TYPE_CHECKING:
    from labelmend_core.losses import MultiLabelLoss

_OWN, _OWN_FIGURE = "own values", "your own"
_MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]()<>#$~|:"})


def fields(loss: "type[MultiLabelLoss]", *, opened: bool) -> tuple[Curve, CurveBatch | None]:
    """Draw the settings of one loss and return its curve, and the batch it is drawn in where it needs one."""
    from labelmend_core.losses import build_loss

    with st.expander(loss.name, expanded=opened):
        place = st.container()
        values = {row.name: _losses.field(row, f"{loss.name}.{row.name}") for row in loss.hyperparameters}
        curve = Curve.of(loss.name, values)
        built = build_loss(loss.name, reduction="batch", **values)
        batch = _batch(loss.name, built) if isinstance(built, DrawnInBatch) else None
        with place:  # which preset is on is known when the fields are read
            _preset_select(loss.name, curve)
        st.caption(_about(loss))
        st.button(
            "Keep this curve",
            icon=":material/keep:",
            key=f"keep.{loss.name}",
            help="It stays as it is, to compare other settings of the same loss with.",
            on_click=_keep,
            args=(curve.text,),
        )
    return curve, batch


def kept() -> list[Curve]:
    """Draw the list of kept curves, where there are any, and return them."""
    if not st.session_state.get("kept", st.query_params.get_all("kept")):
        return []
    texts = st.multiselect(
        "Kept curves",
        [],
        accept_new_options=True,
        key="kept",
        placeholder="asl gamma_neg=2 clip=0",
        wrap=True,
        bind="query-params",
        help="Written as a loss and its settings: *asl gamma_neg=2 clip=0*.",
    )
    found = []
    for text in texts:
        try:
            found.append(Curve.parse(text))
        except InputError as error:
            st.warning(_plain(str(error)), icon=":material/edit:")
    return found


def figure_select(live: Sequence[Curve], kept: Sequence[Curve], axis: str, epoch: int) -> None:
    """Draw the list of whole figures; to choose one sets losses, settings, axis and epoch."""
    from labelmend_core.losses.presets import FIGURES

    now = (list(live), list(kept), axis, epoch)
    on = next((figure for figure in FIGURES if (*_split(figure.curves), figure.axis, figure.epoch) == now), None)
    st.session_state["figure"] = on.name if on else _OWN_FIGURE
    st.selectbox(
        "Figure",
        [*(figure.name for figure in FIGURES), *([] if on else [_OWN_FIGURE])],
        key="figure",
        on_change=_take_figure,
        help=f"Losses with the values of the papers. Here: {_plain(on.source)}." if on else "From the papers.",
    )


def _split(curves: Sequence[tuple[str, Mapping[str, Value]]]) -> tuple[list[Curve], list[Curve]]:
    """Return the first curve of each loss, which has the fields, and the others, which are kept."""
    first: dict[str, Curve] = {}
    rest = []
    for loss, hyperparameters in curves:
        curve = Curve.of(loss, hyperparameters)
        if first.setdefault(loss, curve) is not curve:
            rest.append(curve)
    return list(first.values()), rest


def _take_figure() -> None:
    from labelmend_core.losses.presets import FIGURES

    figure = next((figure for figure in FIGURES if figure.name == st.session_state["figure"]), None)
    if figure is None:
        return
    live, rest = _split(figure.curves)
    for curve in live:
        _take(curve)
    _put("losses", [curve.loss for curve in live])
    _put("kept", [curve.text for curve in rest])
    _put("axis", figure.axis)
    _put("epoch", figure.epoch)
    _put("same_height", figure.same_height, in_address=figure.same_height)


def _preset_select(loss: str, curve: Curve) -> None:
    """Draw the list of presets of one loss; to choose one fills in the fields."""
    from labelmend_core.losses.presets import presets_of

    presets = presets_of(loss)
    options = {name: Curve.of(loss, preset.hyperparameters) for name, preset in presets.items()}
    if Curve(loss) not in options.values():
        options = {"defaults": Curve(loss), **options}
    if not presets and not curve.settings:
        return
    on = next((name for name, option in options.items() if option == curve), _OWN)
    key = f"preset.{loss}"
    st.session_state[key] = on

    def take() -> None:
        if st.session_state[key] in options:
            _take(options[st.session_state[key]])

    st.selectbox(
        "Preset",
        [*options, *([_OWN] if on == _OWN else [])],
        key=key,
        on_change=take,
        help=_plain(presets[on].source) if on in presets else "Values of the papers and their code.",
    )


def _take(curve: Curve) -> None:
    changed = dict(curve.settings)
    for name, value in curve.values().items():
        _put(f"{curve.loss}.{name}", value, in_address=name in changed)


def _keep(text: str) -> None:
    found = list(st.session_state.get("kept", []))
    if text not in found:
        _put("kept", [*found, text])


def _put(key: str, value: Value | list[str], *, in_address: bool = True) -> None:
    """Set a field before it is drawn.

    Streamlit takes that over into the address, but not for a field that the page did not have before.
    """
    if in_address and value != [] and key not in st.session_state:
        st.query_params[key] = value if isinstance(value, list) else spelled(value)
    st.session_state[key] = value


def _batch(name: str, loss: DrawnInBatch) -> CurveBatch:
    """Draw what the other cells of the batch are and return it."""
    first = loss.curve_batch
    least = min(first.low, -12.0)
    low, high = st.slider(
        "logits of the other cells",
        least,
        max(first.high, 8.0),
        (first.low, first.high),
        0.1,
        key=f"{name}.batch_logits",
        bind="query-params",
        help="Cells of a batch depend on one another here. Drawn is one that varies beside others, whose logits are "
        "evenly spaced over this range.",
    )
    others = st.number_input(
        "other cells", 1, 4096, first.others, key=f"{name}.batch_others", bind="query-params", help="Those of a batch."
    )
    share = st.slider(
        "share of them present",
        0.0,
        1.0,
        round(first.present / first.others, 2),
        0.01,
        "%.2g",
        key=f"{name}.batch_present",
        bind="query-params",
        help="Those of the highest logits; the rest are unobserved.",
    )
    batch = CurveBatch(int(others), low, high, round(share * others))
    numbers = {"mean": batch.mean, "spread": batch.spread, "present": batch.present, **loss.batch_statistics(batch)}
    st.caption("Of the other cells: " + ", ".join(f"{words} {value:.3g}" for words, value in numbers.items()) + ".")
    return batch


def _about(loss: "type[MultiLabelLoss]") -> str:
    """Return the formula, and what is drawn where that is not one cell on its own, from the class's own words."""
    formula, _, _ = (getdoc(loss) or "").partition("\n")
    owner = next(cls for cls in loss.__mro__ if "curve" in vars(cls))
    if owner.__module__.rpartition(".")[2].startswith("_"):  # of the bases, for every loss of their kind
        return _plain(formula)
    drawn = (getdoc(loss.curve) or "").replace(", both (G,)", "").replace("`", "").removeprefix("Return ")
    return f"{_plain(formula)}\n\nDrawn: {_plain(drawn)}"


def _plain(text: str) -> str:
    return text.translate(_MARKDOWN)
