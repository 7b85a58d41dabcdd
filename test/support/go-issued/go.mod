module etcd-mtls/go-issued

go 1.21
