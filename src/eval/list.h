/* Every task, in the order in which they are asked whether a path is theirs. One line each:
 * PC_TASK(descriptor). */
PC_TASK(scenes)
PC_TASK(scenes_zh)
PC_TASK(scenes_captions)
PC_TASK(pope_scenes)
PC_TASK(pope)
PC_TASK(easy_vqa)
PC_TASK(questions)
PC_TASK(yaml)
PC_TASK(data)
PC_TASK(perplexity)
PC_TASK(perplexity_chunked)
