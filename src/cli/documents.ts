/** What `--json` prints, by command. report.schema.json is made from this, so it is plain data. */
export interface Documents {
  version: { version: string }
}
