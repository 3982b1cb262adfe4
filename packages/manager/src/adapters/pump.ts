/** Hands the events of a service to listeners until the service ends. */
export function pump<T>(
  events: AsyncIterable<T>,
  onEvent: (event: T) => void,
  onError: (error: unknown) => void,
): void {
  void (async () => {
    try {
      for await (const event of events) onEvent(event);
    } catch (error) {
      onError(error);
    }
  })();
}
