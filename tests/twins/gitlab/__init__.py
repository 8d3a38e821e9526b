# A stand-in for GitLab: /api/v4 over pipelines whose jobs run for real, from the `.gitlab-ci.yml` of a Git repository.
