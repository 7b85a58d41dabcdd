/** The option `watch` of sources. */
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import { MAX_DELAY, parseDuration } from '../../report/duration.js'

/** How `watch()` of a source follows its files. The defaults suit local files, mounted secrets and NFS. */
export interface WatchOptions {
  /**
   * How often the files are polled, since the operating system may report nothing: on NFS and other network file systems, in
   * some containers, or when its watches are used up. At least `'100ms'`. Default: `'10s'`.
   */
  pollInterval?: string | undefined
  /**
   * How long files may be half written, missing, or not belong together before that is reported. At least `'1s'`.
   * Default: `'30s'`.
   */
  settle?: string | undefined
}

/** The resolved options, in milliseconds. */
export interface WatchTiming {
  readonly pollInterval: number
  readonly settle: number
  /** How long contents must stay the same before they count, and the least time between two reads. */
  readonly quiet: number
}

/** Long enough that the files that a program writes together are one change, short enough not to be noticed. */
const QUIET = 250

/**
 * Reads the option `watch`.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readWatchOptions(given: WatchOptions = {}): WatchTiming {
  checkOptions('options.watch', given, ['pollInterval', 'settle'])
  const { pollInterval = '10s', settle = '30s' } = given
  return {
    pollInterval: readDelay(pollInterval, 'options.watch.pollInterval', { least: 100, named: '100ms' }),
    settle: readDelay(settle, 'options.watch.settle', { least: 1000, named: '1s' }),
    quiet: QUIET,
  }
}

function readDelay(text: string, option: string, { least, named }: { least: number; named: string }): number {
  const milliseconds = parseDuration(text, option)
  if (milliseconds < least || milliseconds > MAX_DELAY) throw optionInvalid(option, `must be from '${named}' to '24d'`)
  return milliseconds
}
