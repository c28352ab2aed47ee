/* Every kind of dataset, in the order in which they are asked whether they know a path. */
PC_DATASET(scenes)
PC_DATASET(easy_vqa)
PC_DATASET(emoji)
PC_DATASET(nlvr)
PC_DATASET(webdataset)
PC_DATASET(parquet)
PC_DATASET(llava_json)
PC_DATASET(jsonl)
