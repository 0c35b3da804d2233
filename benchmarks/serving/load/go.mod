module portolan.internal/benchmarks/serving/load

go 1.24
