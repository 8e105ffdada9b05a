import { InsideoutError } from '../../core/errors.ts';
import type { Offset } from '../../core/position.ts';
import type { GenerationId, ViewBatch, ViewShape } from '../../core/view.ts';

/** The errors that every store raises in the same words. */

export function fenced(view: ViewShape, batch: Pick<ViewBatch, 'topic' | 'partition'>): InsideoutError {
  return new InsideoutError(
    'VIEW_FENCED',
    `Another materializer took over partition ${batch.partition} of ${batch.topic} for the view "${view.name}".`,
    {
      hint: 'Stop one of the two, or run both in the same consumer group so that they share the partitions.',
    },
  );
}

export function gap(view: ViewShape, batch: ViewBatch, stored: Offset): InsideoutError {
  return new InsideoutError(
    'VIEW_CHECKPOINT_GAP',
    `The view "${view.name}" is at offset ${stored} of ${batch.topic}, partition ${batch.partition}, but was given ${batch.from}.`,
    { hint: 'Restart the view; it goes on from its checkpoint.' },
  );
}

export function wrongShape(view: ViewShape, id: GenerationId): InsideoutError {
  return new InsideoutError(
    'VIEW_SHAPE',
    `Generation ${id} of the view "${view.name}" has other columns, another key or another ttl.`,
    {
      hint: 'Rebuild the view, so that a new generation with the declared columns takes its place.',
    },
  );
}

export function dropsActive(view: string, id: GenerationId): InsideoutError {
  return new InsideoutError(
    'STORE_REFUSED',
    `Generation ${id} of the view "${view}" is the one that readers see.`,
    {
      hint: 'Promote another generation first.',
    },
  );
}

/** The same shape has the same text. */
export const shapeText = (view: ViewShape): string =>
  JSON.stringify([
    Object.entries(view.columns),
    view.key,
    ...(view.ttl ? [[view.ttl.column, view.ttl.ms]] : []),
  ]);

export function gone(view: string, id: GenerationId): InsideoutError {
  return new InsideoutError('STORE_REFUSED', `The store has no generation ${id} of the view "${view}".`, {
    hint: 'It was dropped, or the store was emptied; restart the view, or rebuild it.',
  });
}

/** For readers, who may read again; `gone` is for writers. */
export function generationGone(view: string, id: GenerationId): InsideoutError {
  return new InsideoutError(
    'VIEW_GENERATION_GONE',
    `Generation ${id} of the view "${view}" was removed while it was read.`,
    { hint: 'Read again: another generation has taken its place.' },
  );
}

/** A value that is not of its column's type; `cause` must not hold the value. */
export function unstorable(): InsideoutError {
  return new InsideoutError('RECORD_UNSTORABLE', 'A row holds a value that its column cannot take.', {
    hint: 'Look at it with `insideout dlq show`; the declared column types may not fit.',
  });
}
