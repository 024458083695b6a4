"""What an operator sees when a fault happens to plain Ray Tune and OptunaSearch, without a line of ours."""
