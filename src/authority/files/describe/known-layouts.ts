/** Which known layouts a folder has, and what is missing in them. */
import type { Finding } from '../../../report/finding.js'
import { finding } from './finding.js'
import type { DirectoryLayout } from './report.js'

/** A layout, told by files that are there, with what else belongs to it. */
interface LayoutRow {
  readonly layout: DirectoryLayout
  /** Matches a path; what comes before the match is the path of the layout. */
  readonly sign: RegExp
  /** Paths from there that have to be there, too. */
  readonly needs: readonly string[]
}

const pairs = (...names: string[]): string[] => names.flatMap((name) => [`${name}.crt`, `${name}.key`])

const ROWS: readonly LayoutRow[] = [
  {
    layout: 'etcd',
    sign: /(?:^|\/)(?=members\/[^/]+\/(?:server|peer)\.(?:crt|key)$)/,
    needs: [],
  },
  { layout: 'etcd', sign: /(?:^|\/)(?=clients\/[^/]+\/tls\.(?:crt|key)$)/, needs: [] },
  {
    layout: 'kubeadm',
    // A member of the layout etcd may be called etcd.
    sign: /(?:^|(?<!(?:^|\/)members)\/)(?=etcd\/(?:server|peer)\.(?:crt|key)$)/,
    needs: ['etcd/ca.crt', ...pairs('etcd/server', 'etcd/peer', 'etcd/healthcheck-client', 'apiserver-etcd-client')],
  },
  {
    layout: 'kubernetes',
    sign: /(?:^|\/)(?=apiserver\.(?:crt|key)$)/,
    needs: ['ca.crt', ...pairs('apiserver', 'apiserver-kubelet-client', 'front-proxy-client'), 'sa.pub'],
  },
  { layout: 'step', sign: /(?:^|\/)(?=(?:certs\/|secrets\/)?(?:root_ca|intermediate_ca)(?:_key|\.crt)$)/, needs: [] },
  { layout: 'cfssl', sign: /(?:^|\/)(?=[^/]+-key\.pem$)/, needs: [] },
  { layout: 'openssl', sign: /(?:^|\/)(?=newcerts\/[^/]+$)/, needs: [] },
  { layout: 'openssl', sign: /(?:^|\/)(?=index\.txt$|[^/]+\.srl$)/, needs: [] },
]

/** Folders of one identity inside a layout, with what each holds. */
const FOLDERS: readonly {
  readonly layout: DirectoryLayout
  readonly folder: RegExp
  readonly needs: readonly string[]
}[] = [
  {
    layout: 'etcd',
    folder: /(?:^|\/)members\/[^/]+(?=\/(?:server|peer)\.(?:crt|key)$)/,
    needs: ['ca.crt', ...pairs('server', 'peer')],
  },
  { layout: 'etcd', folder: /(?:^|\/)clients\/[^/]+(?=\/tls\.(?:crt|key)$)/, needs: ['ca.crt', ...pairs('tls')] },
]

/** Missing files that are told. */
const MOST_MISSING = 100

export interface KnownLayouts {
  readonly layouts: readonly { readonly layout: DirectoryLayout; readonly path: string }[]
  readonly findings: readonly Finding[]
}

/** @param files Paths from the folder, with slashes. */
export function findLayouts(files: readonly string[]): KnownLayouts {
  const there = new Set(files)
  const layouts = new Map<string, { layout: DirectoryLayout; path: string }>()
  const missing = new Map<string, DirectoryLayout>()
  const note = (layout: DirectoryLayout, base: string, needs: readonly string[]): void => {
    for (const need of needs) if (!there.has(`${base}${need}`)) missing.set(`${base}${need}`, layout)
  }
  for (const file of files) {
    for (const { layout, sign, needs } of ROWS) {
      const match = sign.exec(file)
      if (match === null) continue
      const base = file.slice(0, match.index + match[0].length)
      layouts.set(`${layout} ${base}`, { layout, path: base === '' ? '.' : base.slice(0, -1) })
      note(layout, base, needs)
    }
    for (const { layout, folder, needs } of FOLDERS) {
      const match = folder.exec(file)
      if (match !== null) note(layout, `${file.slice(0, match.index + match[0].length)}/`, needs)
    }
    const secret = /^((?:.*\/)?)tls\.crt$/.exec(file)
    if (secret !== null && !/(?:^|\/)clients\/[^/]+\/tls\.crt$/.test(file)) {
      const base = secret[1] ?? ''
      if (there.has(`${base}tls.key`))
        layouts.set(`secret ${base}`, { layout: 'secret', path: base === '' ? '.' : base.slice(0, -1) })
    }
  }
  const findings = [...missing]
    .slice(0, MOST_MISSING)
    .map(([file, layout]) => finding('directory/file-missing', { file, layout }))
  return { layouts: [...layouts.values()], findings }
}
