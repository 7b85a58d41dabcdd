/**
 * The real peers whose results ours is compared with: Node's tls, the command `openssl verify`, Go. Each is asked about
 * minted certificates and answers with its own words.
 */
import { mapAtOnce } from './at-once.js'
import { GoWitness } from './witness-go.js'
import { askNode } from './witness-node.js'
import { OpensslWitness } from './witness-openssl.js'
import type { Minted } from './mint.js'

/** A chain, and what it is shown for: a server's to its clients, or a client's to a server. */
export interface Question {
  readonly usage: 'server' | 'client'
  /** The name that clients want of a server. */
  readonly host: string
  readonly leaf: Minted
  /** What is sent after the leaf. */
  readonly sent: readonly Minted[]
  readonly trust: readonly Minted[]
  /** Revocation lists; where there is one, there is one of every issuer. */
  readonly crls: readonly { readonly der: Buffer; readonly pem: string }[]
}

/** A question to all. */
interface QuestionToAll extends Question {
  /** Whether the command `openssl` is asked, too, which takes two processes. */
  readonly askOpenssl: boolean
}

/** What a peer says; null if it cannot be asked. `words` are empty if it accepts. */
export type Verdict = { readonly accepts: boolean; readonly words: string } | null

/** `strict` is OpenSSL with `-x509_strict`, which only ever refuses more. */
export const WITNESSES = ['Node', 'OpenSSL', 'strict', 'Go'] as const
export type Witness = (typeof WITNESSES)[number]
export type Verdicts = Readonly<Record<Witness, Verdict>>

const UNASKED = { OpenSSL: null, strict: null }

/** How many questions are asked at a time: each is a few processes and sockets. */
const AT_A_TIME = 4

/** All peers at once. Ends with `await using`. */
export class Witnesses implements AsyncDisposable {
  readonly #go: GoWitness
  readonly #openssl = new OpensslWitness()

  private constructor(go: GoWitness) {
    this.#go = go
  }

  static async start(): Promise<Witnesses> {
    return new Witnesses(await GoWitness.start())
  }

  /** The results on each question, in order. */
  ask(questions: readonly QuestionToAll[]): Promise<Verdicts[]> {
    return mapAtOnce(questions, AT_A_TIME, (question) => this.#askAll(question))
  }

  async #askAll(question: QuestionToAll): Promise<Verdicts> {
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
