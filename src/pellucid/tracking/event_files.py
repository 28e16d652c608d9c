"""The messages of TensorBoard's event files: histograms, images, the graph, hyperparameters."""

from dataclasses import fields
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from pellucid.report.picture import png_bytes
from pellucid.runs.trained import Trained
from pellucid.tracking.tracker import Binned


@cache
def messages() -> Any:
    """The classes of the messages, by name."""
    from tensorboardX.proto import (
        api_pb2,
        attr_value_pb2,
        event_pb2,
        graph_pb2,
        node_def_pb2,
        plugin_hparams_pb2,
        summary_pb2,
        tensor_shape_pb2,
        versions_pb2,
    )

    modules = (api_pb2, attr_value_pb2, event_pb2, graph_pb2, node_def_pb2)
    modules += (plugin_hparams_pb2, summary_pb2, tensor_shape_pb2, versions_pb2)
    return SimpleNamespace(**{name: item for module in modules for name, item in vars(module).items()})


def histogram(of: Binned) -> Any:
    """The histogram; sums are those of the middles of its bins."""
    edges = of.edges
    middles = (edges[1:] + edges[:-1]) / 2
    return messages().HistogramProto(
        min=of.low,
        max=of.high,
        num=sum(of.counts),
        sum=float(middles @ of.counts),
        sum_squares=float(middles**2 @ of.counts),
        bucket_limit=edges[1:],
        bucket=of.counts,
    )


def image(pixels: np.ndarray) -> Any:
    """Pixels (height, width, 3) as an image."""
    height, width = pixels.shape[:2]
    return messages().Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png_bytes(pixels))


def graph(run: Trained) -> Any:
    """The networks as a graph: a node for each layer, with its fields and the shape of its output."""
    made = messages()

    def shapes(shape: Any) -> Any:
        sizes = [made.TensorShapeProto.Dim(size=size) for size in (-1, *shape)]
        return made.AttrValue(list=made.AttrValue.ListValue(shape=[made.TensorShapeProto(dim=sizes)]))

    nodes = []
    for name, summary in run.summaries.items():
        network, prefix = run.networks[name], f"{name}/" if name else ""
        layers: Any = network.layers
        for read, shape in summary.inputs.items():
            nodes.append(made.NodeDef(name=prefix + read, op="Input", attr={"_output_shapes": shapes(shape)}))
        for row, layer, reads in zip(summary.rows, layers, network.reads, strict=True):
            settings = {each.name: str(getattr(layer, each.name)).encode() for each in fields(layer)}
            attributes = {key: made.AttrValue(s=value) for key, value in settings.items()}
            attributes["_output_shapes"] = shapes(row.output_shape)
            inputs = [prefix + read for read in reads]
            nodes.append(made.NodeDef(name=prefix + row.layer, op=type(layer).__name__, input=inputs, attr=attributes))
    return made.GraphDef(node=nodes, versions=made.VersionDef(producer=22))


def session_end(succeeded: bool) -> Any:
    """The end of a training, for the table of hyperparameters."""
    made = messages()
    ended = made.SessionEndInfo(status=made.Status.Value("STATUS_SUCCESS" if succeeded else "STATUS_FAILURE"))
    content = made.HParamsPluginData(session_end_info=ended, version=0).SerializeToString()
    plugin = made.SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    value = made.Summary.Value(tag="_hparams_/session_end_info", metadata=made.SummaryMetadata(plugin_data=plugin))
    return made.Summary(value=[value])
