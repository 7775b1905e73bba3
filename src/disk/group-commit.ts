/** Lets those who ask while one commit runs share the next, so that many cost about as much as one. */

export class GroupCommit {
  private readonly commit: () => Promise<void>
  private current: Promise<void> = Promise.resolve()
  private next: Promise<void> | undefined

  /** @param commit puts on disk all that there is to put there when it is called */
  constructor(commit: () => Promise<void>) {
    this.commit = commit
  }

  /**
   * Resolves once a commit has succeeded that began after this call, and rejects if it failed. Never
   * two run at one time.
   */
  request(): Promise<void> {
    this.next ??= this.current
      .catch(() => {})
      .then(() => {
        this.next = undefined
        this.current = this.commit()
        return this.current
      })
    return this.next
  }
}
