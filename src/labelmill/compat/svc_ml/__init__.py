"""The contract of data_pipeline's image tasks: ``/api/v1/svc_ml/``."""
