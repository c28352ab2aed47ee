/* Every node kernel of the CPU backend. */
PC_CPU_KERNEL(matmul)
PC_CPU_KERNEL(attention)
PC_CPU_KERNEL(attention_grad)
