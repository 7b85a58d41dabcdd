module etcd-mtls-test/witness

go 1.24
