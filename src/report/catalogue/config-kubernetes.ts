/** Findings about reading how Kubernetes is told of etcd: kube-apiserver's options, kubeadm's configuration. */
import { row } from '../row.js'
import { type ConfigPlace, placed } from './config-place.js'

function theText(file: string | null, otherwise: string): string {
  return file === null ? otherwise : `The file ${file}`
}

export const configKubernetes = {
  'config/no-apiserver': row<{ file: string | null; looked: string }>({
    severity: 'error',
    meaning: 'A command or a manifest was to tell how kube-apiserver reaches etcd, and kube-apiserver is not in it.',
    source: 'a rule of this package',
    message: ({ file, looked }) => `${theText(file, 'The command')} does not run kube-apiserver: ${looked}.`,
    remedy: () =>
      'Name the manifest of kube-apiserver, as /etc/kubernetes/manifests/kube-apiserver.yaml of a control-plane node, or its command line.',
  }),
  'config/no-kubeadm-configuration': row<{ file: string | null; looked: string }>({
    severity: 'error',
    meaning:
      'A text was to be a configuration of kubeadm, and holds no ClusterConfiguration of a version that is known.',
    source: 'kubeadm.k8s.io v1beta3 and v1beta4, ClusterConfiguration',
    message: ({ file, looked }) => `${theText(file, 'The text')} is no configuration of kubeadm: ${looked}.`,
    remedy: () =>
      'Hand over what "kubectl --namespace kube-system get configmap kubeadm-config --output yaml" prints; "kubeadm config migrate" brings an older file to v1beta3 or v1beta4.',
  }),
  'config/etcd-access-missing': row<ConfigPlace>({
    severity: 'error',
    meaning:
      'Kubernetes is not told everything that a TLS connection to etcd takes: endpoints, CAs, certificate and key.',
    source: 'kube-apiserver options/etcd.go; kubeadm types.go ExternalEtcd',
    message: (details) => `${placed(details)} is not set.`,
    remedy: ({ option }) => `Set ${option}; an etcd without TLS is not connected to.`,
  }),
  'config/etcd-endpoint-refused': row<ConfigPlace & { url: string; reason: string }>({
    severity: 'error',
    meaning: 'An endpoint that Kubernetes is told of cannot be connected to by TLS.',
    source: 'client/pkg/types/urls.go v3.5.16 NewURLs; a rule of this package: https alone',
    message: (details) => `"${details.url}" of ${placed(details)} ${details.reason}.`,
    remedy: () => 'Write endpoints as https://etcd-0.example.com:2379, and have etcd serve them by TLS.',
  }),
  'config/path-not-on-host': row<ConfigPlace & { path: string }>({
    severity: 'error',
    meaning:
      'A container reads a file that is in no folder of its host, so that nothing outside of it can read the file.',
    source: 'k8s.io/api/core/v1 HostPathVolumeSource',
    message: (details) =>
      `${details.path} of ${placed(details)} is in no folder of the host that the container mounts.`,
    remedy: () =>
      'Read it in the container, or name the files to fromFiles; a Secret that is mounted there can be read with fromKubernetesSecret by a pod that mounts it, too.',
  }),
}
