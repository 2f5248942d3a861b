"""Draw docs/dag.svg: the rules that lead from data to figures and tables, from left to right.

Run it after changing the rules, when a test asks for it:

    uv run tools/draw_dag.py

Snakemake prints the graph of rules (`--rulegraph`); each rule goes one column right of all it
needs. An arrow that others imply is left out, such as prepare_data -> evaluate_model by way
of train_model. An arrow across several columns takes up a row in those between.
"""

import re
import subprocess
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import networkx as nx

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs/dag.svg"
RULEGRAPH = ("snakemake", "all", "--rulegraph", "dot", "--config", "force=['prepare_data']")

COLUMN, ROW, WIDTH, HEIGHT, MARGIN = 176, 62, 144, 42, 20  # pixels
SWEEPS = 8  # to the left and back, to put rules next to those they need

Places = dict[str, tuple[float, float]]


def read_graph(dot: str) -> nx.DiGraph:
    """Return the graph of rules from Snakemake's dot output."""
    names = dict(re.findall(r'^\s*(\d+)\[label = "([^"\\]+)', dot, re.MULTILINE))
    arrows = re.findall(r"^\s*(\d+) -> (\d+)", dot, re.MULTILINE)
    graph = nx.DiGraph()
    graph.add_nodes_from(sorted(names.values()))
    graph.add_edges_from(sorted((names[a], names[b]) for a, b in arrows))
    return graph


def with_ways(graph: nx.DiGraph) -> tuple[nx.DiGraph, list[list[str]]]:
    """Return the graph with a node in every column that an arrow crosses, and each arrow's path."""
    column = {n: k for k, ns in enumerate(nx.topological_generations(graph)) for n in ns}
    ways = [
        [a, *(f"{a} {b} {k}" for k in range(column[a] + 1, column[b])), b] for a, b in graph.edges
    ]
    crossed = nx.DiGraph()
    for way in ways:
        nx.add_path(crossed, way)
    return crossed, ways


def place(crossed: nx.DiGraph) -> Places:
    """Return the centre of every node, in pixels."""
    columns = [sorted(names) for names in nx.topological_generations(crossed)]
    y: dict[str, float] = {}

    def centre(names: list[str]) -> None:
        y.update({name: k - (len(names) - 1) / 2 for k, name in enumerate(names)})

    for names in columns:
        centre(names)
    around = {name: list(nx.all_neighbors(crossed, name)) for name in crossed}
    for names in [*reversed(columns), *columns] * SWEEPS:
        centre(sorted(names, key=lambda name: (fmean(y[n] for n in around[name]), y[name])))
    top, left = MARGIN + ROW / 2 - ROW * min(y.values()), MARGIN + WIDTH / 2
    return {n: (left + k * COLUMN, top + ROW * y[n]) for k, ns in enumerate(columns) for n in ns}


def arrow(way: list[str], places: Places) -> str:
    """Return a smooth line from the right of the first place to the left of the last."""
    path = f"M{places[way[0]][0] + WIDTH / 2:g},{places[way[0]][1]:g}"
    for (x1, y1), (x2, y2) in pairwise(places[stop] for stop in way):
        start, end = x1 + WIDTH / 2, x2 - WIDTH / 2 - 5  # before the head's tip
        path += f" H{start:g} C{x1 + COLUMN / 2:g},{y1:g} {x1 + COLUMN / 2:g},{y2:g} {end:g},{y2:g}"
    return f'<path class="arrow" d="{path}"/>'


def box(name: str, file: str, x: float, y: float, is_own_input: bool) -> str:
    """Return a rule with the name of its file, and an arrow to itself where it is its own input."""
    left, top = x - WIDTH / 2, y - HEIGHT / 2
    above = f"M{x - 18:g},{top:g} c0,-22 36,-22 36,-5"
    return (
        f'<rect class="rule" x="{left:g}" y="{top:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text class="name" x="{x:g}" y="{y - 3:g}">{name}</text>'
        f'<text class="file" x="{x:g}" y="{y + 13:g}">{file}</text>'
        + (f'<path class="arrow" d="{above}"/>' if is_own_input else "")
    )


def files_of_rules() -> dict[str, str]:
    """Return the name of the file that defines each rule."""
    files = [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]
    found = [(re.findall(r"^rule (\w+):", f.read_text(), re.MULTILINE), f.name) for f in files]
    return {rule: name for rules, name in found for rule in rules}


def draw(dot: str) -> str:
    """Return the picture of Snakemake's graph, as SVG."""
    graph, files = read_graph(dot), files_of_rules()
    loops = set(nx.nodes_with_selfloops(graph))
    graph.remove_edges_from([(name, name) for name in loops])
    crossed, ways = with_ways(nx.transitive_reduction(graph))
    places = place(crossed)
    width = max(x for x, _ in places.values()) + WIDTH / 2 + MARGIN
    height = max(y for _, y in places.values()) + ROW / 2 + MARGIN
    lines = [arrow(way, places) for way in sorted(ways)]
    boxes = [box(name, files[name], *places[name], name in loops) for name in graph]
    head = HEAD.format(width=width, height=height, names=", ".join(graph))
    return "\n".join([head, *lines, *boxes, "</svg>", ""])


HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">
<title>The rules of the workflow and what each needs: {names}</title>
<style>
.card {{ fill: #ffffff; }}
.rule {{ fill: #eef4fa; stroke: #2f6f9f; stroke-width: 1.5; }}
.arrow {{ fill: none; stroke: #57606a; stroke-width: 1.5; marker-end: url(#head); }}
text {{ text-anchor: middle; fill: #1f2328; font-family: system-ui, sans-serif; }}
.name {{ font-size: 13px; font-weight: 600; }}
.file {{ font-size: 11px; fill: #57606a; }}
</style>
<marker id="head" viewBox="0 0 8 8" refX="3" refY="4" markerWidth="6" markerHeight="6"
orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#57606a"/></marker>
<rect class="card" width="{width:g}" height="{height:g}" rx="8"/>"""


def main() -> None:
    """Write the picture of the current workflow."""
    done = subprocess.run(RULEGRAPH, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"snakemake cannot tell its rules: {done.stderr.strip()}")
    PICTURE.write_text(draw(done.stdout))


if __name__ == "__main__":
    main()
