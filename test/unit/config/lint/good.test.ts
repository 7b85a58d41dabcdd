/** Configurations as their makers write them: what is right in them is not told as a fault. */
import { expect, test } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import type { Report } from '../../../../src/report/report.js'

/** kubeadm’s static pod, as `kubeadm init phase etcd local` writes it, without what concerns neither TLS nor addresses. */
export const KUBEADM = `apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://10.0.0.11:2379
  labels:
    component: etcd
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --advertise-client-urls=https://10.0.0.11:2379
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
    - --client-cert-auth=true
    - --data-dir=/var/lib/etcd
    - --experimental-initial-corrupt-check=true
    - --experimental-watch-progress-notify-interval=5s
    - --initial-advertise-peer-urls=https://10.0.0.11:2380
    - --initial-cluster=cp-1=https://10.0.0.11:2380
    - --key-file=/etc/kubernetes/pki/etcd/server.key
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.11:2379
    - --listen-metrics-urls=http://127.0.0.1:2381
    - --listen-peer-urls=https://10.0.0.11:2380
    - --name=cp-1
    - --peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt
    - --peer-client-cert-auth=true
    - --peer-key-file=/etc/kubernetes/pki/etcd/peer.key
    - --peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    - --snapshot-count=10000
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    image: registry.k8s.io/etcd:3.5.16-0
    name: etcd
    volumeMounts:
    - mountPath: /var/lib/etcd
      name: etcd-data
    - mountPath: /etc/kubernetes/pki/etcd
      name: etcd-certs
  hostNetwork: true
  volumes:
  - hostPath:
      path: /etc/kubernetes/pki/etcd
      type: DirectoryOrCreate
    name: etcd-certs
  - hostPath:
      path: /var/lib/etcd
      type: DirectoryOrCreate
    name: etcd-data
`

/** The keys of etcd’s own etcd.conf.yml.sample (main, 2026), with its values. */
const SAMPLE = `# This is the configuration file for the etcd server.
name: 'default'
data-dir:
wal-dir:
snapshot-count: 10000
heartbeat-interval: 100
election-timeout: 1000
quota-backend-bytes: 0
listen-peer-urls: http://localhost:2380
listen-client-urls: http://localhost:2379
max-wals: 5
cors:
initial-advertise-peer-urls: http://localhost:2380
advertise-client-urls: http://localhost:2379
discovery:
discovery-fallback: 'proxy'
discovery-proxy:
discovery-srv:
initial-cluster:
initial-cluster-token: 'etcd-cluster'
initial-cluster-state: 'new'
strict-reconfig-check: false
enable-pprof: true
client-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: false
peer-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: false
  allowed-cn:
  allowed-hostname:
self-signed-cert-validity: 1
log-level: debug
logger: zap
log-outputs: [stderr]
force-new-cluster: false
auto-compaction-mode: periodic
auto-compaction-retention: "1"
cipher-suites: [
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
]
tls-min-version: 'TLS1.2'
tls-max-version: 'TLS1.3'
`

/** The snippet of the how-to, mended: both blocks ask for certificates, and the URLs that it leaves out. */
const HOW_TO = `name: etcd-server
listen-client-urls: https://192.168.1.10:2379
advertise-client-urls: https://etcd-server.example.com:2379
listen-peer-urls: https://192.168.1.10:2380
initial-advertise-peer-urls: https://192.168.1.10:2380
initial-cluster: etcd-server=https://192.168.1.10:2380
client-transport-security:
  cert-file: /etc/etcd/ssl/server.crt
  key-file: /etc/etcd/ssl/server.key
  client-cert-auth: true
  trusted-ca-file: /etc/etcd/ssl/ca.crt
  auto-tls: false # Important
peer-transport-security:
  cert-file: /etc/etcd/ssl/server.crt
  key-file: /etc/etcd/ssl/server.key
  client-cert-auth: true
  trusted-ca-file: /etc/etcd/ssl/ca.crt
  auto-tls: false
`

/** What kubespray’s etcd.env has for one of three members. */
const KUBESPRAY = `# Environment file for etcd v3.5.16
ETCD_DATA_DIR=/var/lib/etcd
ETCD_ADVERTISE_CLIENT_URLS=https://10.0.0.11:2379
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://10.0.0.11:2380
ETCD_INITIAL_CLUSTER_STATE=existing
ETCD_METRICS=basic
ETCD_LISTEN_CLIENT_URLS=https://10.0.0.11:2379,https://127.0.0.1:2379
ETCD_ELECTION_TIMEOUT=5000
ETCD_HEARTBEAT_INTERVAL=250
ETCD_INITIAL_CLUSTER_TOKEN=k8s_etcd
ETCD_LISTEN_PEER_URLS=https://10.0.0.11:2380
ETCD_NAME=etcd1
ETCD_PROXY=off
ETCD_INITIAL_CLUSTER=etcd1=https://10.0.0.11:2380,etcd2=https://10.0.0.12:2380,etcd3=https://10.0.0.13:2380
ETCD_AUTO_COMPACTION_RETENTION=8
ETCD_SNAPSHOT_COUNT=10000
# Flannel need etcd v2 API
ETCD_ENABLE_V2=true

# TLS settings
ETCD_TRUSTED_CA_FILE=/etc/ssl/etcd/ssl/ca.pem
ETCD_CERT_FILE=/etc/ssl/etcd/ssl/member-node1.pem
ETCD_KEY_FILE=/etc/ssl/etcd/ssl/member-node1-key.pem
ETCD_CLIENT_CERT_AUTH=true

ETCD_PEER_TRUSTED_CA_FILE=/etc/ssl/etcd/ssl/ca.pem
ETCD_PEER_CERT_FILE=/etc/ssl/etcd/ssl/member-node1.pem
ETCD_PEER_KEY_FILE=/etc/ssl/etcd/ssl/member-node1-key.pem
ETCD_PEER_CLIENT_CERT_AUTH=True

# CLI settings
ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
ETCDCTL_CACERT=/etc/ssl/etcd/ssl/ca.pem
ETCDCTL_KEY=/etc/ssl/etcd/ssl/admin-node1-key.pem
ETCDCTL_CERT=/etc/ssl/etcd/ssl/admin-node1.pem
`

/** Variables of Bitnami’s chart for a member with TLS on both sides, values that Kubernetes fills in among them. */
const BITNAMI = `apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: etcd
spec:
  serviceName: etcd-headless
  template:
    spec:
      securityContext: {fsGroup: 1001}
      containers:
        - name: etcd
          image: docker.io/bitnami/etcd:3.5.16-debian-12-r0
          env:
            - {name: BITNAMI_DEBUG, value: "false"}
            - name: MY_POD_IP
              valueFrom: {fieldRef: {fieldPath: status.podIP}}
            - name: MY_POD_NAME
              valueFrom: {fieldRef: {fieldPath: metadata.name}}
            - {name: MY_STS_NAME, value: etcd}
            - {name: ETCDCTL_API, value: "3"}
            - {name: ETCD_ON_K8S, value: "yes"}
            - {name: ETCD_START_FROM_SNAPSHOT, value: "no"}
            - {name: ETCD_DISASTER_RECOVERY, value: "no"}
            - {name: ETCD_NAME, value: $(MY_POD_NAME)}
            - {name: ETCD_DATA_DIR, value: /bitnami/etcd/data}
            - {name: ETCD_LOG_LEVEL, value: info}
            - {name: ALLOW_NONE_AUTHENTICATION, value: "no"}
            - {name: ETCD_AUTH_TOKEN, value: "jwt,priv-key=/opt/bitnami/etcd/certs/token/jwt-token.pem,sign-method=RS256,ttl=10m"}
            - {name: ETCD_ADVERTISE_CLIENT_URLS, value: "https://$(MY_POD_NAME).etcd-headless.default.svc.cluster.local:2379,https://etcd.default.svc.cluster.local:2379"}
            - {name: ETCD_LISTEN_CLIENT_URLS, value: "https://0.0.0.0:2379"}
            - {name: ETCD_INITIAL_ADVERTISE_PEER_URLS, value: "https://$(MY_POD_NAME).etcd-headless.default.svc.cluster.local:2380"}
            - {name: ETCD_LISTEN_PEER_URLS, value: "https://0.0.0.0:2380"}
            - {name: ETCD_INITIAL_CLUSTER_TOKEN, value: etcd-cluster-k8s}
            - {name: ETCD_INITIAL_CLUSTER_STATE, value: new}
            - {name: ETCD_INITIAL_CLUSTER, value: "etcd-0=https://etcd-0.etcd-headless.default.svc.cluster.local:2380,etcd-1=https://etcd-1.etcd-headless.default.svc.cluster.local:2380"}
            - {name: ETCD_CLUSTER_DOMAIN, value: etcd-headless.default.svc.cluster.local}
            - {name: ETCD_CLIENT_CERT_AUTH, value: "true"}
            - {name: ETCD_CERT_FILE, value: /opt/bitnami/etcd/certs/client/tls.crt}
            - {name: ETCD_KEY_FILE, value: /opt/bitnami/etcd/certs/client/tls.key}
            - {name: ETCD_TRUSTED_CA_FILE, value: /opt/bitnami/etcd/certs/client/ca.crt}
            - {name: ETCD_PEER_CLIENT_CERT_AUTH, value: "true"}
            - {name: ETCD_PEER_CERT_FILE, value: /opt/bitnami/etcd/certs/peer/tls.crt}
            - {name: ETCD_PEER_KEY_FILE, value: /opt/bitnami/etcd/certs/peer/tls.key}
            - {name: ETCD_PEER_TRUSTED_CA_FILE, value: /opt/bitnami/etcd/certs/peer/ca.crt}
          volumeMounts:
            - {name: certs, mountPath: /opt/bitnami/etcd/certs/client/, readOnly: true}
      volumes:
        - {name: certs, secret: {secretName: etcd-client}}
`

/** A unit as Debian’s and many guides have it. */
const UNIT = `[Unit]
Description=etcd
Documentation=https://github.com/etcd-io/etcd

[Service]
Type=notify
User=etcd
ExecStart=/usr/local/bin/etcd \\
  --name controller-0 \\
  --cert-file=/etc/etcd/kubernetes.pem \\
  --key-file=/etc/etcd/kubernetes-key.pem \\
  --peer-cert-file=/etc/etcd/kubernetes.pem \\
  --peer-key-file=/etc/etcd/kubernetes-key.pem \\
  --trusted-ca-file=/etc/etcd/ca.pem \\
  --peer-trusted-ca-file=/etc/etcd/ca.pem \\
  --peer-client-cert-auth \\
  --client-cert-auth \\
  --initial-advertise-peer-urls https://10.240.0.10:2380 \\
  --listen-peer-urls https://10.240.0.10:2380 \\
  --listen-client-urls https://10.240.0.10:2379,https://127.0.0.1:2379 \\
  --advertise-client-urls https://10.240.0.10:2379 \\
  --initial-cluster-token etcd-cluster-0 \\
  --initial-cluster controller-0=https://10.240.0.10:2380,controller-1=https://10.240.0.11:2380 \\
  --initial-cluster-state new \\
  --data-dir=/var/lib/etcd
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
`

function told(report: Report): string[] {
  return report.findings.filter(({ severity }) => severity !== 'info').map(({ code, message }) => `${code} ${message}`)
}

test.each([
  ['kubeadm', { manifest: KUBEADM }],
  ['etcd’s sample', { yaml: SAMPLE }],
  ['the how-to, mended', { yaml: HOW_TO }],
  ['kubespray', { env: KUBESPRAY }],
  ['bitnami', { manifest: BITNAMI }],
  ['a unit', { unit: UNIT }],
])('%s', async (_, config) => {
  expect(told(await lintEtcdConfig(config, { readFiles: false }))).toEqual([])
  expect(told(await lintEtcdConfig(config, { readFiles: false, version: '3.5.16' }))).toEqual([])
})

test('the how-to as it stands is found wanting', async () => {
  const yaml = HOW_TO.replaceAll('  client-cert-auth: true\n', '')
  const report = await lintEtcdConfig({ yaml }, { readFiles: false })
  expect(report.findings.map(({ code }) => code)).toEqual(['config/client-auth-half', 'config/peer-auth-implied'])
})
