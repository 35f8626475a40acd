-- One server, two databases: Airflow's own metadata, and the control table.
CREATE ROLE airflow LOGIN PASSWORD 'airflow';
CREATE DATABASE airflow OWNER airflow;
CREATE ROLE pipeline LOGIN PASSWORD 'pipeline';
CREATE DATABASE pipeline OWNER pipeline;
