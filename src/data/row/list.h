/* Every shape of row, in the order in which they are asked whether a row is theirs. */
PC_ROW(messages)
PC_ROW(alpaca)
PC_ROW(prompt)
PC_ROW(question)
PC_ROW(text)
