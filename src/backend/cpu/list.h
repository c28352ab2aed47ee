/* Every node kernel of the CPU backend. */
PC_CPU_KERNEL(matmul)
