module etcd-mtls/go-requests

go 1.21
