"""Layers while they are put together: which reads which, and joining them."""

from __future__ import annotations

from dataclasses import replace

from irstat.compare.layer import Layer, LayerGraph


class Assembly:
    """A graph of layers that can still be changed."""

    def __init__(self) -> None:
        self.layers: dict[int, Layer] = {}
        self.readers: dict[int, list[int]] = {}
        self._next = 0

    def new_index(self) -> int:
        """An index for a new layer, larger than all before."""
        self._next += 1
        return self._next - 1

    def add(self, layer: Layer) -> int:
        """Add a layer; returns its index."""
        self.layers[layer.index] = layer
        self.readers.setdefault(layer.index, [])
        for used in layer.inputs:
            self.readers[used].append(layer.index)
        return layer.index

    def only_reader(self, index: int) -> Layer | None:
        """The layer that reads a result, if it is the only one and reads it once."""
        found = self.readers[index]
        return self.layers[found[0]] if len(found) == 1 else None

    def set_inputs(self, index: int, inputs: tuple[int, ...]) -> None:
        """Let a layer read other results."""
        layer = self.layers[index]
        for used in layer.inputs:
            self.readers[used].remove(index)
        for used in inputs:
            self.readers[used].append(index)
        self.layers[index] = replace(layer, inputs=inputs)

    def update(self, layer: Layer) -> None:
        """Put another description of a layer in its place; it reads the same."""
        self.layers[layer.index] = layer

    def drop(self, index: int, instead: int) -> None:
        """Take a layer away; what reads it reads `instead`."""
        for reader in list(dict.fromkeys(self.readers[index])):
            inputs = tuple(instead if used == index else used for used in self.layers[reader].inputs)
            self.set_inputs(reader, inputs)
        self.remove(index)

    def remove(self, index: int) -> None:
        """Take away a layer that nobody reads."""
        for used in self.layers[index].inputs:
            self.readers[used].remove(index)
        del self.layers[index], self.readers[index]

    def absorb(self, first: Layer, second: Layer, changed: Layer) -> None:
        """Join a layer with the one behind it, its only reader: `changed` describes both, under the index of the first."""
        joined = replace(
            changed,
            index=first.index,
            inputs=first.inputs,
            nodes=(*first.nodes, *second.nodes),
            weights=(*first.weights, *second.weights),
            cost=first.cost + second.cost,
            shape=second.shape,
            dtype=second.dtype,
        )
        self.update(joined)
        self.drop(second.index, first.index)

    def finished(self) -> LayerGraph:
        """The layers, in an order in which each comes after those it reads; numbered anew in that order."""
        order = _topological(self.layers)
        number = {index: place for place, index in enumerate(order)}
        layers = [
            replace(self.layers[index], index=number[index], inputs=tuple(number[used] for used in self.layers[index].inputs))
            for index in order
        ]
        return LayerGraph(layers)


def _topological(layers: dict[int, Layer]) -> list[int]:
    """Indices in the order of the nodes, as far as what a layer reads allows."""
    order: list[int] = []
    done: set[int] = set()
    for start in sorted(layers):
        pending = [start]
        while pending:
            index = pending[-1]
            missing = [used for used in layers[index].inputs if used not in done]
            if index in done or not missing:
                pending.pop()
                if index not in done:
                    done.add(index)
                    order.append(index)
            else:
                pending += missing
    return order
