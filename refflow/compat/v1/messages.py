"""Messages that programs make by hand: example records, and what a log tells of a session.

    example = tf.train.Example(features=tf.train.Features(feature={
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[3])),
    }))
    writer.write(example.SerializeToString())

Next: compat/v1/parsing.py.
"""

from __future__ import annotations

from refflow.files.messages import make

__all__ = ["LogMessage", "SessionLog", "SummaryMetadata"]

_CLASSES = make(
    """
BytesList
    1 repeated bytes value
FloatList
    1 repeated float value
Int64List
    1 repeated int64 value
Feature
    1 oneof kind BytesList bytes_list
    2 oneof kind FloatList float_list
    3 oneof kind Int64List int64_list
Features
    1 map Feature feature
FeatureList
    1 repeated Feature feature
FeatureLists
    1 map FeatureList feature_list
Example
    1 Features features
SequenceExample
    1 Features context
    2 FeatureLists feature_lists
SessionLog
    1 enum status
    2 string checkpoint_path
    3 string msg
LogMessage
    1 enum level
    2 string message
SummaryMetadata
    1 SummaryMetadata.PluginData plugin_data
    2 string display_name
    3 string summary_description
    4 enum data_class
SummaryMetadata.PluginData
    1 string plugin_name
    2 bytes content
SummaryDescription
    1 string type_hint
""",
    __name__,
)
_ENUMS = {
    "SessionLog": {"STATUS_UNSPECIFIED": 0, "START": 1, "STOP": 2, "CHECKPOINT": 3},
    "LogMessage": {"UNKNOWN": 0, "DEBUGGING": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50},
}
for _name, _numbers in _ENUMS.items():
    for _label, _number in _numbers.items():
        setattr(_CLASSES[_name], _label, _number)

BytesList, FloatList, Int64List = _CLASSES["BytesList"], _CLASSES["FloatList"], _CLASSES["Int64List"]
Feature, Features = _CLASSES["Feature"], _CLASSES["Features"]
FeatureList, FeatureLists = _CLASSES["FeatureList"], _CLASSES["FeatureLists"]
Example, SequenceExample = _CLASSES["Example"], _CLASSES["SequenceExample"]
SessionLog, LogMessage = _CLASSES["SessionLog"], _CLASSES["LogMessage"]
SummaryMetadata, SummaryDescription = _CLASSES["SummaryMetadata"], _CLASSES["SummaryDescription"]
