/** Findings about the etcd options of Kubernetes: those of kube-apiserver, and kubeadm's configuration. */
import { row } from '../row.js'
import { type ConfigPlace, placed } from './config-place.js'

function theText(file: string | null, otherwise: string): string {
  return file === null ? otherwise : `The file ${file}`
}

export const configKubernetes = {
  'config/no-apiserver': row<{ file: string | null; looked: string }>({
    severity: 'error',
    meaning: 'The command or manifest does not run kube-apiserver, so it does not contain its etcd options.',
    source: 'a rule of this package',
    message: ({ file, looked }) => `${theText(file, 'The command')} does not run kube-apiserver: ${looked}.`,
    remedy: () =>
      'Pass the manifest of kube-apiserver, for example /etc/kubernetes/manifests/kube-apiserver.yaml of a control-plane node, or its command line.',
  }),
  'config/no-kubeadm-configuration': row<{ file: string | null; looked: string }>({
    severity: 'error',
    meaning: 'The input has no kubeadm ClusterConfiguration of a known version.',
    source: 'kubeadm.k8s.io v1beta3 and v1beta4, ClusterConfiguration',
    message: ({ file, looked }) => `${theText(file, 'The input')} is not a configuration of kubeadm: ${looked}.`,
    remedy: () =>
      'Pass the output of "kubectl --namespace kube-system get configmap kubeadm-config --output yaml". "kubeadm config migrate" converts an older file to v1beta3 or v1beta4.',
  }),
  'config/etcd-access-missing': row<ConfigPlace>({
    severity: 'error',
    meaning: 'An option that a TLS connection to etcd requires is missing: endpoints, CA, certificate or key.',
    source: 'kube-apiserver options/etcd.go; kubeadm types.go ExternalEtcd',
    message: (details) => `${placed(details)} is not set.`,
    remedy: ({ option }) => `Set ${option}; a connection to etcd without TLS is not supported.`,
  }),
  'config/etcd-endpoint-refused': row<ConfigPlace & { url: string; reason: string }>({
    severity: 'error',
    meaning: 'An etcd endpoint of Kubernetes cannot be used with TLS.',
    source: 'client/pkg/types/urls.go v3.5.16 NewURLs; a rule of this package: https alone',
    message: (details) => `"${details.url}" of ${placed(details)} ${details.reason}.`,
    remedy: () => 'Write endpoints as https://etcd-0.example.com:2379, and configure TLS in etcd.',
  }),
  'config/path-not-on-host': row<ConfigPlace & { path: string }>({
    severity: 'error',
    meaning:
      'A container reads a file that is not in a mounted directory of its host, so other programs cannot read it.',
    source: 'k8s.io/api/core/v1 HostPathVolumeSource',
    message: (details) =>
      `${details.path} of ${placed(details)} is not in a directory of the host that the container mounts.`,
    remedy: () =>
      'Read it in the container, or pass the files to fromFiles. If it is a mounted Secret, mount the Secret in your pod as well and use fromKubernetesSecret.',
  }),
}
