/**
 * What an application gives and gets; nothing that runs.
 *
 * @typedef {{created: boolean, ownerId: string | null, sid: string, code?: string, message?: string}} Detail `created`: we began
 *   the room. `sid`: of this occurrence of the room. `code`, `message`: when it failed
 * @typedef {(succeeded: boolean, roomid: string, error?: string | null, detail?: Detail) => void} RoomCallback `error`: the
 *   original's text
 * @typedef {boolean | 'two-way'} Wish
 * @typedef {{audio?: Wish, video?: Wish, screen?: Wish, data?: boolean, oneway?: boolean, broadcast?: boolean}} SessionPlan
 * @typedef {SessionPlan & {streamCallback?: (stream: RMCStream) => void}} AddStream
 *
 * @typedef {object} StreamParts what every stream carries besides what a MediaStream has
 * @property {string} streamid the same at both ends
 * @property {'local' | 'remote'} type
 * @property {boolean} isAudio sound only
 * @property {boolean} isVideo a camera
 * @property {boolean} isScreen
 * @property {(type?: 'audio' | 'video' | 'both') => void} mute ours: for everybody; another's: for us alone
 * @property {(type?: 'audio' | 'video' | 'both') => void} unmute
 * @property {() => void} stop ours: ends it for everybody; another's: we receive it no more
 * @typedef {MediaStream & StreamParts} RMCStream
 *
 * @typedef {object} StreamEvent
 * @property {RMCStream} stream
 * @property {string} streamid
 * @property {'local' | 'remote'} type
 * @property {string} userid
 * @property {any} extra
 * @property {HTMLMediaElement} mediaElement plays the stream; ours is silent
 * @property {boolean} [isAudioMuted] of ours: that the element is silent
 * @property {string} [muteType] in `onmute`: audio, video or both
 * @property {string} [unmuteType] in `onunmute`
 *
 * @typedef {object} PublicRoom
 * @property {string} sessionid
 * @property {string} owner id
 * @property {string[]} participants as long as people are there; only the owner's id is filled in
 * @property {any} extra the owner's
 * @property {SessionPlan} session
 * @property {number} maxParticipantsAllowed
 * @property {boolean} isRoomFull
 * @property {boolean} isPasswordProtected
 *
 * @typedef {{userid: string, extra: any}} UserEvent
 * @typedef {UserEvent & {uuid: string, name: string, size: number, type: string, maxChunks: number, remoteUserId: string | null,
 *   currentPosition?: number, file?: Blob, url?: string}} FileEvent `currentPosition`: parts so far. `file`, `url`: at the end
 */
export {};
