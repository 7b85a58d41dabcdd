module etcd-mtls/go-lists

go 1.21
