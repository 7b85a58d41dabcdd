/** The form of a plan: `plan.ts` reads plans by it, and the build writes it to `etcd-mtls/plan.schema.json` for editors. */

/** The part of JSON Schema that plans use. It imports nothing, because the build runs it. */
export interface PlanSchema {
  readonly $schema?: string
  readonly title?: string
  readonly description?: string
  readonly type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean'
  readonly properties?: Readonly<Record<string, PlanSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: false | PlanSchema
  readonly items?: PlanSchema
  readonly minItems?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly enum?: readonly string[]
  readonly anyOf?: readonly PlanSchema[]
}

const text = (description: string): PlanSchema => ({ type: 'string', description })
const texts = (description: string): PlanSchema => ({
  type: 'array',
  items: { type: 'string' },
  minItems: 1,
  description,
})
const port = (description: string): PlanSchema => ({ type: 'integer', minimum: 1, maximum: 65_535, description })
const object = (properties: Readonly<Record<string, PlanSchema>>, required: readonly string[] = []): PlanSchema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})

const VALIDITY = text('Lifetime of the certificates, such as "90d". The default is a year.')
const DATA_DIR = text('The data directory of etcd. The default is that of etcd, NAME.etcd.')
const EXTRA: PlanSchema = {
  type: 'object',
  description: 'Other options of etcd, by the names of its flags without the dashes.',
  additionalProperties: {
    anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }, { type: 'array', items: { type: 'string' } }],
  },
}

const MEMBER = object(
  {
    name: text("The member's name."),
    hosts: texts('Its names and addresses, for clients and members. The first one is in its URLs.'),
    peerHosts: texts('Its names and addresses for members, if that is another network.'),
    clientUrls: texts('The URLs that it advertises to clients. Their hosts are added to hosts.'),
    peerUrls: texts('The URLs that it advertises to members. Their hosts are added to peerHosts.'),
    dataDir: DATA_DIR,
    extra: EXTRA,
  },
  ['name', 'hosts'],
)

export const PLAN_SCHEMA: PlanSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Plan of etcd-mtls init',
  description: 'The members and clients of an etcd cluster.',
  ...object(
    {
      ca: object({
        name: text('The common name of a new CA. The default is etcd-ca.'),
        validity: text('The lifetime of a new CA, such as "3650d".'),
      }),
      members: { type: 'array', items: MEMBER, minItems: 1, description: 'All members of the cluster.' },
      clients: {
        type: 'array',
        description: 'Clients, by their common name, which is the user of etcd.',
        items: {
          anyOf: [{ type: 'string' }, object({ name: text('The common name.'), validity: VALIDITY }, ['name'])],
        },
      },
      validity: VALIDITY,
      algorithm: {
        enum: ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'ed25519', 'rsa-2048', 'rsa-3072', 'rsa-4096'],
        description: 'The kind of new keys. The default is ecdsa-p256.',
      },
      memberDir: text('Where each member has its files on its machine. The default is where they are written.'),
      dataDir: DATA_DIR,
      clientPort: port('The port for clients. The default is 2379.'),
      peerPort: port('The port for members. The default is 2380.'),
      initialClusterToken: text('The token of the cluster.'),
      etcdVersion: text('The etcd that reads the configuration, such as "3.6" or "3.5.16". The default is "3.5".'),
      extra: EXTRA,
    },
    ['members'],
  ),
}
