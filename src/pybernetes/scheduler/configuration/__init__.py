"""What an operator can choose: `KubeSchedulerConfiguration` and the classic `Policy`.

documents.py   the file as Structs            arguments.py   the arguments of each plugin
loading.py     file → defaulted configuration  policy.py      the classic file → the same
merging.py     which plugins at which point   validation.py, argument_validation.py   upstream's errors
"""
