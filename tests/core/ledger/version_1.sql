BEGIN TRANSACTION;
CREATE TABLE classes (
    class_index INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (class_index),
    UNIQUE (name)
);
INSERT INTO "classes" VALUES(0,'cat');
INSERT INTO "classes" VALUES(1,'dog');
CREATE TABLE decisions (
    decision_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    client TEXT NOT NULL,
    seq INTEGER NOT NULL,
    image_index INTEGER NOT NULL,
    class_index INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('present', 'absent', 'unsure', 'skip', 'undo')),
    reviewer TEXT NOT NULL,
    decided_at DATETIME NOT NULL,
    suggestion_id INTEGER,
    undoes_client TEXT,
    undoes_seq INTEGER,
    UNIQUE (client, seq),
    CHECK ((verdict = 'undo') = (undoes_client IS NOT NULL AND undoes_seq IS NOT NULL)),
    FOREIGN KEY(image_index) REFERENCES images (image_index),
    FOREIGN KEY(class_index) REFERENCES classes (class_index),
    FOREIGN KEY(reviewer) REFERENCES reviewers (name),
    FOREIGN KEY(suggestion_id) REFERENCES suggestions (suggestion_id)
);
INSERT INTO "decisions" VALUES(1,'tab',1,1,0,'present','ann','2024-05-01 12:00:00.000000',1,NULL,NULL);
INSERT INTO "decisions" VALUES(2,'tab',2,2,0,'absent','ann','2024-05-01 12:00:00.000000',2,NULL,NULL);
INSERT INTO "decisions" VALUES(3,'tab',3,2,0,'undo','ann','2024-05-01 12:00:00.000000',NULL,'tab',2);
INSERT INTO "decisions" VALUES(4,'tab',4,0,1,'unsure','Übung','2024-05-01 12:00:00.000000',NULL,NULL,NULL);
CREATE TABLE given_labels (
    image_index INTEGER NOT NULL,
    class_index INTEGER NOT NULL,
    value INTEGER NOT NULL CHECK (value IN (-1, 1)),
    PRIMARY KEY (image_index, class_index),
    FOREIGN KEY(image_index) REFERENCES images (image_index),
    FOREIGN KEY(class_index) REFERENCES classes (class_index)
)
 WITHOUT ROWID

;
INSERT INTO "given_labels" VALUES(0,0,1);
INSERT INTO "given_labels" VALUES(1,1,-1);
INSERT INTO "given_labels" VALUES(2,1,1);
INSERT INTO "given_labels" VALUES(3,0,1);
CREATE TABLE images (
    image_index INTEGER NOT NULL,
    image_id TEXT NOT NULL,
    path TEXT NOT NULL,
    split TEXT NOT NULL CHECK (split IN ('train', 'validation')),
    problem TEXT,
    PRIMARY KEY (image_index),
    UNIQUE (image_id)
);
INSERT INTO "images" VALUES(0,'a.jpg','a.jpg','train',NULL);
INSERT INTO "images" VALUES(1,'b.jpg','b.jpg','train',NULL);
INSERT INTO "images" VALUES(2,'c.jpg','c.jpg','train',NULL);
INSERT INTO "images" VALUES(3,'v.jpg','v.jpg','validation',NULL);
CREATE TABLE reviewers (
    name TEXT NOT NULL,
    created_at DATETIME NOT NULL,
    PRIMARY KEY (name)
);
INSERT INTO "reviewers" VALUES('ann','2024-05-01 12:00:00.000000');
INSERT INTO "reviewers" VALUES('Übung','2024-05-01 12:00:00.000000');
CREATE TABLE runs (
    run_id TEXT NOT NULL,
    created_at DATETIME NOT NULL,
    mode TEXT NOT NULL,
    loss TEXT NOT NULL,
    status TEXT NOT NULL,
    labels TEXT NOT NULL,
    n_decisions INTEGER NOT NULL,
    settings JSON NOT NULL,
    metrics JSON NOT NULL,
    pid INTEGER,
    process_started FLOAT,
    PRIMARY KEY (run_id)
);
INSERT INTO "runs" VALUES('20240501-120000-probe-bce','2024-05-01 12:00:00.000000','probe','bce','done','given',0,'{"seed": 0}','{"mAP": 0.5}',NULL,NULL);
CREATE TABLE schema_version (
    version INTEGER NOT NULL,
    PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(1);
CREATE TABLE suggestions (
    suggestion_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL,
    image_index INTEGER NOT NULL,
    class_index INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('missing', 'spurious')),
    rank INTEGER NOT NULL,
    label_quality FLOAT NOT NULL,
    error_probability FLOAT NOT NULL,
    low FLOAT NOT NULL,
    high FLOAT NOT NULL,
    reason JSON NOT NULL,
    UNIQUE (run_id, image_index, class_index),
    FOREIGN KEY(run_id) REFERENCES runs (run_id),
    FOREIGN KEY(image_index) REFERENCES images (image_index),
    FOREIGN KEY(class_index) REFERENCES classes (class_index)
);
INSERT INTO "suggestions" VALUES(1,'20240501-120000-probe-bce',1,0,'missing',1,0.1,0.9,0.5,1.0,'{"p": 0.9}');
INSERT INTO "suggestions" VALUES(2,'20240501-120000-probe-bce',2,0,'missing',2,0.1,0.8,0.5,1.0,'{"p": 0.8}');
INSERT INTO "suggestions" VALUES(3,'20240501-120000-probe-bce',2,1,'spurious',1,0.1,0.7,0.5,1.0,'{"p": 0.7}');
CREATE INDEX suggestion_rank ON suggestions (run_id, kind, rank);
CREATE INDEX suggestion_queue ON suggestions (run_id, class_index, kind, rank, error_probability);
CREATE INDEX decision_suggestion ON decisions (suggestion_id);
CREATE INDEX decision_cell ON decisions (class_index, image_index);
CREATE INDEX decision_undone ON decisions (undoes_client, undoes_seq);
CREATE VIEW standing_decisions AS
SELECT d.* FROM decisions d
WHERE d.verdict <> 'undo' AND NOT EXISTS (
    SELECT 1 FROM decisions u WHERE u.undoes_client = d.client AND u.undoes_seq = d.seq
);
CREATE TRIGGER decisions_refuse_update BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
CREATE TRIGGER decisions_refuse_delete BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('suggestions',3);
INSERT INTO "sqlite_sequence" VALUES('decisions',4);
COMMIT;
