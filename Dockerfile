# Airflow with the framework in it, from the repository's lock; see docker-compose.yml.
FROM python:3.13-slim
WORKDIR /project
ENV AIRFLOW_HOME=/airflow PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 50000 airflow && mkdir /airflow /state /logs && chown airflow /airflow /state /logs
COPY requirements requirements
# Airflow on PostgreSQL wants asyncpg, which the example does without: its pin is in the tests' lock.
RUN sed -n '/^asyncpg==/,/[^\\]$/p' requirements/test.txt >>requirements/run.txt \
    && pip install --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY pipeline_framework pipeline_framework
COPY implementations implementations
COPY sql sql
RUN pip install --no-deps --no-build-isolation .
COPY dags dags
COPY examples examples
COPY compose compose
RUN chown -R airflow compose
USER airflow
