"""How good a rule for picking the largest learning rate is: tasks, the truth about them, rules, peers, scores."""
