/** The oracles that our results are compared with: Node's tls, the command `openssl verify`, and Go. */
import { mapAtOnce } from './at-once.js'
import { GoOracle } from './oracle-go.js'
import { askNode } from './oracle-node.js'
import { OpensslOracle } from './oracle-openssl.js'
import type { Minted } from './mint.js'

/** A chain, and the side that sends it: a server to its clients, or a client to a server. */
export interface Question {
  readonly usage: 'server' | 'client'
  /** The name that clients dial. */
  readonly host: string
  readonly leaf: Minted
  /** The certificates after the leaf. */
  readonly sent: readonly Minted[]
  readonly trust: readonly Minted[]
  /** CRLs: none, or one of every issuer. */
  readonly crls: readonly { readonly der: Buffer; readonly pem: string }[]
}

interface QuestionToAll extends Question {
  /** Whether to run the command `openssl` as well, which takes two processes. */
  readonly askOpenssl: boolean
}

/** The result of an oracle; null if it cannot be asked. `words`: its error message, empty if it accepts. */
export type OracleResult = { readonly accepts: boolean; readonly words: string } | null

/** `strict` is OpenSSL with `-x509_strict`, which only refuses more. */
export const ORACLES = ['Node', 'OpenSSL', 'strict', 'Go'] as const
export type Oracle = (typeof ORACLES)[number]
export type OracleResults = Readonly<Record<Oracle, OracleResult>>

const UNASKED = { OpenSSL: null, strict: null }

/** Questions that are asked at the same time: each takes a few processes and sockets. */
const AT_A_TIME = 4

/** All oracles. */
export class Oracles implements AsyncDisposable {
  readonly #go: GoOracle
  readonly #openssl = new OpensslOracle()

  private constructor(go: GoOracle) {
    this.#go = go
  }

  static async start(): Promise<Oracles> {
    return new Oracles(await GoOracle.start())
  }

  /** The results on each question, in order. */
  ask(questions: readonly QuestionToAll[]): Promise<OracleResults[]> {
    return mapAtOnce(questions, AT_A_TIME, (question) => this.#askAll(question))
  }

  async #askAll(question: QuestionToAll): Promise<OracleResults> {
    const [Node, { OpenSSL, strict }, Go] = await Promise.all([
      askNode(question),
      question.askOpenssl ? this.#openssl.ask(question) : UNASKED,
      this.#go.ask(question),
    ])
    return { Node, OpenSSL, strict, Go }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#openssl.close()
    await this.#go.close()
  }
}
