/* Every rule that gives an answer a reward. */
PC_REWARD_RULE(match)
PC_REWARD_RULE(words)
PC_REWARD_RULE(scene)
