/** The table of commands. The code of each is loaded when it is called. */
import type { CommandRow } from './command.js'

export const COMMANDS: readonly CommandRow[] = [
  {
    name: 'doctor',
    operands: '',
    summary: 'Examines a cluster: what its members serve and accept, their files and their configurations.',
    examples: ['doctor', 'doctor --endpoints 10.0.0.1:2379 --cacert ca.crt --cert client.crt --key client.key'],
    options: [
      ['--config <file...>', 'a configuration of a member; repeat it for more'],
      ['--root <dir>', 'where the disk of the machine of etcd is mounted'],
      ['--kubeadm <dir>', 'the directory of kubeadm (default: /etc/kubernetes)'],
      ['--lead <duration>', 'how long before the last date somebody must act (default: 7d)'],
    ],
    notes: [
      'Without options, it examines the etcd that runs on this machine, else that of',
      'kubeadm, else the unit etcd.service. Run it as root on each member: the files of',
      'other machines are not checked. It changes nothing. Each probe of a port that',
      'demands a certificate leaves a warning in the log of etcd.',
      '',
    ],
    connects: true,
    load: () => import('./doctor.js'),
  },
]
