"""The DAGs that run the pipeline on Airflow; they only call it."""
