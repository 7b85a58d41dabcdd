module etcd-mtls-test/oracle

go 1.24
