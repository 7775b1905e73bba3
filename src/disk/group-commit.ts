/** Group commit: requests that come during a commit share the next one. */

export class GroupCommit {
  private readonly commit: () => Promise<void>
  private current: Promise<void> = Promise.resolve()
  private next: Promise<void> | undefined

  /** @param commit saves everything that is unsaved when it is called */
  constructor(commit: () => Promise<void>) {
    this.commit = commit
  }

  /** Resolves or rejects with a commit that begins after this call. Commits never overlap. */
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
